"""Asking a running attempt for its stacks: what every thread of it is doing at that moment."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import OuterRef, Subquery

from ..models import Attempt, AuditEntry
from ..states import AttemptStatus
from .auditing import record
from .engines import Engine, engine_for
from .engines.base import CANCEL

ACTION = "dump"


class DumpRequest(NamedTuple):
    """That a running attempt is to write its stacks into its output."""

    attempt_id: int
    by: str
    """Name of the user who asked; empty where none was given."""


def ask_dump(attempt: Attempt, *, by: Any = None) -> bool:
    """Ask the worker of a running attempt for its stacks; they appear in its output.

    `by` is the user it is recorded for. Returns whether this call asked: False means that the
    attempt does not run in a process, or that its worker was asked already and has not answered.
    """
    engine = engine_for(attempt._state.db)
    return engine.insist(lambda: _ask(engine, attempt, by))


def dumps_asked(engine: Engine, worker: UUID) -> list[DumpRequest]:
    """Take the requests for stacks of a worker's running attempts: no other call returns them."""
    attempts = Attempt.objects.using(engine.alias)
    asked = attempts.filter(
        status=AttemptStatus.RUNNING, worker_id=worker, dump_requested_at__isnull=False
    )
    if not (ids := list(asked.order_by("id").values_list("id", flat=True))):
        return []
    latest = AuditEntry.objects.using(engine.alias).filter(job_id=OuterRef("job_id"), action=ACTION)
    found = attempts.filter(id__in=ids).annotate(
        by=Subquery(latest.order_by("-id").values("actor_name")[:1])
    )
    requests = [DumpRequest(pk, by or "") for pk, by in found.values_list("id", "by")]
    attempts.filter(id__in=ids).update(dump_requested_at=None)
    return requests


def _ask(engine: Engine, attempt: Attempt, by: Any) -> bool:
    now = engine.now()
    running = Attempt.objects.using(engine.alias).filter(
        id=attempt.pk,
        status=AttemptStatus.RUNNING,
        started_at__isnull=False,
        dump_requested_at=None,
    )
    moved = running.update(dump_requested_at=now)
    if moved:
        detail = f"attempt {attempt.number}"
        record(
            engine, ACTION, by, now, job_id=attempt.job_id, status=attempt.job.status, detail=detail
        )
        engine.notify([CANCEL])
    return bool(moved)
