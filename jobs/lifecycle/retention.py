"""Deleting what has been kept for long enough: finished jobs with all that belongs to them, and workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from ..conf import conf
from ..models import Attempt, Job, Worker
from ..states import LIVE_WORKERS, JobStatus
from .engines import Engine

PRUNED_AT_ONCE = 50
"""Jobs one transaction deletes: about 10 ms, in which a worker claims nothing."""
WORKER_KEPT = timedelta(days=1)
"""How long a worker that has ended is kept at least."""
DISORDER = timedelta(hours=1)
"""By how much the times of attempts may differ from the order of their ids, generously."""


@dataclass(frozen=True)
class Retention:
    """For how many days finished jobs are kept, counted from their end; None and 0 mean for ever."""

    completed: float | None
    failed: float | None
    """Cancelled ones, too."""

    @classmethod
    def of_settings(cls) -> Retention:
        return cls(conf.KEEP_COMPLETED, conf.KEEP_FAILED)

    def ends(self, now: datetime) -> dict[JobStatus, datetime]:
        """Return status → the time before which jobs must have ended to go; without those that stay."""
        days = {
            JobStatus.COMPLETED: self.completed,
            JobStatus.FAILED: self.failed,
            JobStatus.CANCELLED: self.failed,
        }
        return {status: now - timedelta(days=kept) for status, kept in days.items() if kept}


def prune(engine: Engine, retention: Retention) -> Counter[JobStatus]:
    """Delete some of the oldest jobs of each status, with attempts, output and audit entries.

    Returns status → jobs deleted; PRUNED_AT_ONCE of one say that there may be more. Jobs that
    somebody else is changing or deleting at the moment are passed over, and so are those whose
    `failed()` is still to run. Raises IntegrityError where a model of the project protects a job.
    """
    ends = retention.ends(engine.now())
    return Counter({status: _prune(engine, status, end) for status, end in ends.items()})


def prunable(engine: Engine, retention: Retention) -> Counter[JobStatus]:
    """Return status → jobs that `prune` would delete in the end."""
    ends = retention.ends(engine.now())
    return Counter({status: _old(engine, status, end).count() for status, end in ends.items()})


def prune_workers(engine: Engine) -> int:
    """Delete the rows of workers that have ended and have no attempts left. Returns how many.

    Attempts get their ids in order, so nothing is left of a worker that ended before the oldest one
    was claimed; asking for the attempts of each worker would need an index of all of them.
    """
    before = engine.now() - WORKER_KEPT
    claims = Attempt.objects.using(engine.alias).order_by("id")
    oldest = claims.values_list("claimed_at", flat=True).first()
    if oldest is not None:
        before = min(before, oldest - DISORDER)
    ended = Worker.objects.using(engine.alias).exclude(status__in=LIVE_WORKERS)
    gone = list(ended.filter(stopped_at__lt=before).values_list("id", flat=True)[:PRUNED_AT_ONCE])
    if gone:
        ended.filter(id__in=gone).delete()
    return len(gone)


def _old(engine: Engine, status: JobStatus, end: datetime) -> QuerySet[Job]:
    finished = Job.objects.using(engine.alias).filter(status=status, finished_at__lt=end)
    return finished.exclude(attempts__hook_pending=True)


def _prune(engine: Engine, status: JobStatus, end: datetime) -> int:
    old = _old(engine, status, end)
    oldest = list(old.order_by("finished_at").values_list("id", flat=True)[:PRUNED_AT_ONCE])
    locked: list[int] = []
    # Looking first: on SQLite every transaction waits for the other writers.
    if oldest:
        with engine.giving_way():
            rows = old.filter(id__in=oldest).order_by("id").select_for_update(skip_locked=True)
            locked = list(rows.values_list("id", flat=True))
            # Through the ORM, so that what a project has attached to a job goes as it has said.
            Job.objects.using(engine.alias).filter(id__in=locked).only("id").delete()
    return len(locked)
