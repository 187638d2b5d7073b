"""The verbs of `changing` for many jobs at once, whose rows the caller has locked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..models import AuditEntry, Job, Operation
from ..states import TRANSITIONS, JobStatus
from .changing import FRESH
from .engines import Engine
from .engines.base import CANCEL
from .rollups import count


def retry_locked(engine: Engine, jobs: Sequence[Job], operation: Operation, now: datetime) -> None:
    """Queue failed and cancelled jobs, each as `changing.retry` does."""
    move = TRANSITIONS["retry"]
    rows = Job.objects.using(engine.alias).filter(pk__in=[job.pk for job in jobs])
    rows.filter(status__in=move.sources).update(status=move.target, run_at=now, **FRESH)
    _audit(engine, jobs, operation, now)
    engine.notify(sorted({job.queue for job in jobs}))


def cancel_locked(engine: Engine, jobs: Sequence[Job], operation: Operation, now: datetime) -> None:
    """Cancel waiting jobs, and ask running ones to stop, each as `changing.cancel` does."""
    move = TRANSITIONS["cancel"]
    running = [job for job in jobs if job.status == JobStatus.RUNNING]
    waiting = [job for job in jobs if job.status in move.sources]
    rows = Job.objects.using(engine.alias)
    rows.filter(pk__in=[job.pk for job in running]).update(cancel_requested_at=now)
    rows.filter(pk__in=[job.pk for job in waiting], status__in=move.sources).update(
        status=move.target, finished_at=now
    )
    count(engine, move.target, [(job.job_class, job.queue) for job in waiting], now)
    _audit(engine, jobs, operation, now)
    engine.notify([CANCEL])


def _audit(engine: Engine, jobs: Sequence[Job], operation: Operation, now: datetime) -> None:
    AuditEntry.objects.using(engine.alias).bulk_create(
        AuditEntry(
            job_id=job.pk,
            action=operation.kind,
            status=job.status,
            actor_id=operation.actor_id,
            actor_name=operation.actor_name,
            at=now,
            operation=operation,
        )
        for job in jobs
    )
