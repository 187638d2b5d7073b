"""All names that the list of jobs shows beside its jobs, read by one statement."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections

from ..fingerprints import Likeness
from ..models import ErrorRollup, Job, SavedView, Worker
from ..selection import WORKERS
from ..statistics import WHOLE
from .filters import JobFilter
from .views import HOSTS, NAMES, offered

MOST_VIEWS = 20
"""Views that one user may have."""

# Columns: what it is, and up to four texts. Only SQL of ours stands here; values are parameters.
_VIEWS = f"SELECT name, query, '' AS c, '' AS d FROM {SavedView._meta.db_table} WHERE owner_id = %s"  # noqa: S608
_WORKER = "SELECT CAST(id AS CHAR(36)) AS a, '' AS b, '' AS c, '' AS d"
_WORKERS = f"{_WORKER} FROM {Worker._meta.db_table} WHERE hostname = %s"
_GROUP = (
    f"SELECT fingerprint, job_class, error_type, message FROM {ErrorRollup._meta.db_table}"  # noqa: S608
    f" WHERE fingerprint = %s AND resolution IN ({', '.join(map(str, map(int, WHOLE)))})"
)


class Names(NamedTuple):
    offered: dict[str, list[str]]
    """What the filters offer: classes, queues and hosts."""
    views: list[tuple[str, str]]
    """Name and query of each view that the user has saved."""
    workers: list[UUID]
    """Starts of workers on the host that is asked for."""
    groups: dict[str, Likeness]
    """Fingerprint → what the errors of the group have in common that is asked for."""


def names_for(chosen: JobFilter, user: Any) -> Names:
    parts = [("view", _VIEWS, str(user.pk), MOST_VIEWS)]
    if chosen.worker:
        parts.append(("worker", _WORKERS, chosen.worker, WORKERS))
    if chosen.group:
        parts.append(("group", _GROUP, chosen.group, 1))
    sql = f"SELECT named.*, '', '', '' FROM ({NAMES}{HOSTS}) AS named"  # noqa: S608
    for kind, rows, _, limit in parts:
        sql += (
            f" UNION ALL SELECT '{kind}', {kind}_rows.* FROM ({rows} LIMIT {limit}) AS {kind}_rows"  # noqa: S608
        )
    with connections[Job.objects.db].cursor() as cursor:
        cursor.execute(sql, [value for _, _, value, _ in parts])
        found = cursor.fetchall()
    rows_of: dict[str, list[tuple[str, ...]]] = {}
    for kind, *texts in found:
        rows_of.setdefault(kind, []).append(tuple(texts))
    return Names(
        offered(chosen, [(kind, name) for kind, name, *_ in found]),
        sorted((name, query) for name, query, *_ in rows_of.get("view", [])),
        [UUID(one) for one, *_ in rows_of.get("worker", [])],
        {one: Likeness(*what) for one, *what in rows_of.get("group", [])},
    )
