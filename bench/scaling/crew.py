"""Draining a backlog by several workers, and what that takes of the server."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import connection

from jobs.models import Attempt, Job
from jobs.states import FINAL, JobStatus

from ..effects import span
from ..jobs import Noop
from ..session import ROOT, Session
from ..waiting import until
from ..workers import Workers

KEEP = {"KEEP_COMPLETED": 0, "KEEP_FAILED": 0}
"""No worker deletes history while it is measured."""


@dataclass(frozen=True)
class Drained:
    """One drain: rates by the second, from the first start to the last."""

    jobs: float
    claims: float
    commits: float
    connections: int


def drain(
    session: Session, count: int, workers: int = 1, concurrency: int = 2, url: str = "", **more: Any
) -> Drained:
    """Store `count` no-op jobs, have so many workers drain them, and check that each ran once.

    Workers use the database at `url`, if one is given, and `more` settings.
    """
    command = [sys.executable, "manage.py", "runworker", "--concurrency", str(concurrency)]
    environment = session.environment(**(KEEP | more))
    environment["DATABASE_URL"] = url or environment["DATABASE_URL"]
    session.effects.empty()
    before = _attempts()
    Noop.dispatch_many(Noop(number=number) for number in range(count))
    committed, began = _commits(), time.monotonic()
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(Workers([command], environment, ROOT))
        until(lambda: session.effects.count() * 2 >= count, 300.0, "half of the jobs")
        connections = _connections()
        session.wait_for(count)
        until(_is_drained, 60.0, "completed in the table", interval=0.02)
        taken, commits = time.monotonic() - began, _commits() - committed
    effects = session.effects.exactly(range(count))
    attempts = Attempt.objects.filter(id__gt=before)
    claims = attempts.values("worker", "claimed_at").distinct().count()
    seconds = span(effects)
    return Drained(count / seconds, claims / seconds, commits / taken, connections)


def _attempts() -> int:
    """Return the id of the newest attempt."""
    return Attempt.objects.order_by("-id").values_list("id", flat=True).first() or 0


def _is_drained() -> bool:
    return not Job.objects.filter(status__in=sorted(set(JobStatus) - FINAL)).exists()


def _commits() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def _connections() -> int:
    """Return how many connections the workers and their jobs hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])
