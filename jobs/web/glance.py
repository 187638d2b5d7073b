"""What the page of statistics needs to know beside sums, read by one statement."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import connections

from ..models import CodeVersion, Job
from ..states import JobStatus
from . import attention
from .attention import Running
from .charts import MARKED, Deploy
from .filters import Filter
from .reading import time_read
from .views import NAMES, offered

# Columns: what it is, its name, its number, and when it began. PostgreSQL takes their types from the
# first part.
RUNNING = f"""
SELECT 'running', job_class, id, started_at FROM (
    SELECT job_class, id, started_at FROM {Job._meta.db_table} WHERE status = '{JobStatus.RUNNING}'
    ORDER BY id LIMIT {{running}}
) AS running_jobs
"""  # noqa: S608
VERSIONS = f"""
SELECT 'version', name, NULL, first_started_at FROM (
    SELECT name, first_started_at FROM {CodeVersion._meta.db_table} WHERE first_started_at >= %s
    ORDER BY first_started_at DESC LIMIT {MARKED + 1}
) AS new_versions
"""  # noqa: S608
NAMED = f"SELECT named.*, NULL, NULL FROM ({NAMES}) AS named"  # noqa: S608


class Glance(NamedTuple):
    offered: dict[str, list[str]]
    """What the filters offer: classes and queues."""
    running: list[Running]
    """The first of the running jobs by id, up to one more than are looked at."""
    deploys: list[Deploy]
    """The versions of the project's code that began since, the latest first: one more than are marked."""


def glance(chosen: Filter, since: datetime) -> Glance:
    connection = connections[Job.objects.db]
    running_jobs = RUNNING.format(running=attention.RUNNING_LOOKED_AT + 1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{running_jobs} UNION ALL {VERSIONS} UNION ALL {NAMED}",
            [connection.ops.adapt_datetimefield_value(since)],
        )
        found = cursor.fetchall()
    running = sorted(
        Running(number, name, time_read(began, connection))
        for kind, name, number, began in found
        if kind == "running"
    )
    deploys = [
        Deploy(name, at)
        for kind, name, _, began in found
        if kind == "version" and (at := time_read(began, connection))
    ]
    deploys.sort(key=lambda one: one.at, reverse=True)
    return Glance(offered(chosen, [(kind, name) for kind, name, *_ in found]), running, deploys)
