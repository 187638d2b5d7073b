"""What people ask of jobs: retry and cancel. Each moves a job once, however often it is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Subquery

from ..models import Attempt, AuditEntry, Job
from ..states import TRANSITIONS, AttemptStatus, JobStatus
from .auditing import record
from .engines import Engine, engine_for
from .engines.base import CANCEL
from .records import CancelRequest
from .rollups import count

FRESH = {
    "attempts_spent": 0,
    "interruptions": 0,
    "losses": None,
    "started_at": None,
    "finished_at": None,
    "cancel_requested_at": None,
    "unresolved_since": None,
    "error_type": "",
    "error_message": "",
    "error_group": None,
    "result": None,
    "progress": None,
}
"""What a retried job holds besides its history."""


def retry(
    job_id: int, *, run_at: datetime | None = None, by: Any = None, using: str | None = None
) -> bool:
    """Queue a failed or cancelled job, with a fresh budget of attempts and its history kept.

    It is due at `run_at` (aware), or at once. `by` is the user it is recorded for. Returns whether
    this call moved it.
    """
    engine = engine_for(using)
    return engine.insist(lambda: _retry(engine, job_id, run_at, by, engine.now()))


def cancel(job_id: int, *, by: Any = None, using: str | None = None) -> bool:
    """Cancel a waiting job at once, or ask a running one to stop.

    `by` is the user it is recorded for. Returns whether this call cancelled it or asked for it; a
    running job that completes before it could be stopped stays completed.
    """
    engine = engine_for(using)
    return engine.insist(lambda: _cancel(engine, job_id, by, engine.now()))


def cancels_asked(engine: Engine, worker: UUID) -> list[CancelRequest]:
    """Return the running attempts of a worker whose jobs are to be cancelled, since when, for whom."""
    asked = Attempt.objects.using(engine.alias).filter(
        job__status=JobStatus.RUNNING,
        job__cancel_requested_at__isnull=False,
        status=AttemptStatus.RUNNING,
        worker_id=worker,
    )
    latest = AuditEntry.objects.using(engine.alias).filter(
        job_id=OuterRef("job_id"), action="cancel"
    )
    found = asked.annotate(by=Subquery(latest.order_by("-id").values("actor_name")[:1]))
    rows = found.values_list("id", "job__cancel_requested_at", "by")
    return [CancelRequest(attempt_id, at, by or "") for attempt_id, at, by in rows if at]


def report_progress(
    engine: Engine, job_id: int, number: int, done: int, total: int | None, message: str
) -> None:
    """Keep how far a job has come, as attempt `number` reported it; the last report may be late."""
    progress = {"done": done, "total": total, "message": message}
    Job.objects.using(engine.alias).filter(id=job_id, attempts_made=number).update(
        progress=progress
    )


def _retry(engine: Engine, job_id: int, run_at: datetime | None, by: Any, now: datetime) -> bool:
    at = max(run_at or now, now)
    due = at <= now
    verb = "retry" if due else "retry_at"
    move = TRANSITIONS[verb]
    jobs = Job.objects.using(engine.alias).filter(id=job_id)
    before = jobs.filter(status__in=move.sources).values_list("status", "queue").first()
    if before is None:
        return False
    status, queue = before
    moved = jobs.filter(status=status).update(
        status=move.target,
        run_at=at,
        **FRESH,
    )
    if moved:
        detail = "" if due else at.isoformat(timespec="seconds")
        record(engine, verb, by, now, job_id=job_id, status=status, detail=detail)
        if due:
            engine.notify([queue])
    return bool(moved)


def _cancel(engine: Engine, job_id: int, by: Any, now: datetime) -> bool:
    move = TRANSITIONS["cancel"]
    jobs = Job.objects.using(engine.alias).filter(id=job_id)
    # Locked: a worker may be claiming it or giving it back, which changes what is to be done.
    found = jobs.select_for_update().values_list("status", "job_class", "queue").first()
    if found is None:
        return False
    status, job_class, queue = found
    if status == JobStatus.RUNNING:
        moved = jobs.filter(cancel_requested_at=None).update(cancel_requested_at=now)
    else:
        waiting = jobs.filter(status__in=move.sources)
        moved = waiting.update(status=move.target, finished_at=now)
        count(engine, move.target, [(job_class, queue)] * moved, now)
    if moved:
        record(engine, "cancel", by, now, job_id=job_id, status=status)
        engine.notify([CANCEL])
    return bool(moved)
