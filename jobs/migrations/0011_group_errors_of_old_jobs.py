"""Puts the jobs that failed before into their groups: `/errors/` has counted them there all along."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from jobs.fingerprints import likeness

AT_ONCE = 1000
STATUSES = ("failed", "retrying", "cancelled", "scheduled", "queued", "running")
"""Of the jobs that may hold an error; those of each are one range of an index."""


def group(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    using = schema_editor.connection.alias
    jobs = apps.get_model("jobs", "Job").objects.using(using)
    for status in STATUSES:
        after = 0
        while True:
            # Short transactions: workers go on meanwhile.
            with transaction.atomic(using=using):
                some = jobs.filter(status=status, pk__gt=after).order_by("pk")
                rows = list(
                    some.select_for_update().only("job_class", "error_type", "error_message")[
                        :AT_ONCE
                    ]
                )
                enter(jobs, rows)
            if not rows:
                break
            after = rows[-1].pk


def enter(jobs: Any, rows: list[Any]) -> None:
    """Write the group of each job that has an error and no group yet."""
    members: dict[str, list[int]] = defaultdict(list)
    for job in rows:
        if job.error_type:
            members[fingerprint(job)].append(job.pk)
    for found, ids in members.items():
        jobs.filter(pk__in=ids, error_group=None).update(error_group=found)


def fingerprint(job: Any) -> str:
    message = job.error_message
    if job.error_type == "UnknownJobClass":
        message = message.partition(", nor was one")[0]
    return likeness(job.job_class, job.error_type, message).fingerprint


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0010_error_group_of_jobs")]

    operations = [migrations.RunPython(group, migrations.RunPython.noop, elidable=True)]
