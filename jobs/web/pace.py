"""How long running jobs have taken, beside what is usual for their classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from .. import usual
from ..models import Job
from ..states import JobStatus
from .presentation import run_time


@dataclass(frozen=True)
class Pace:
    """Of one running job. Times are seconds."""

    elapsed: float
    p50: float
    p95: float

    @property
    def is_slow(self) -> bool:
        return self.elapsed > self.p95

    @property
    def end(self) -> float:
        """Where the scale ends."""
        return max(self.p95 * 1.5, self.elapsed)

    @property
    def usually(self) -> timedelta:
        return timedelta(seconds=self.p50)

    @property
    def mostly(self) -> timedelta:
        return timedelta(seconds=self.p95)


class Run(NamedTuple):
    """An attempt that runs: whose, and for how long."""

    job_id: int
    job_class: str
    elapsed: timedelta


def paces_of(jobs: Iterable[Job], *, ask: bool = True) -> dict[int, Pace]:
    """Return job id → its pace, of those that run and of whose class something is known.

    What this process has not asked for lately is left out unless it may `ask`.
    """
    runs = [
        Run(job.pk, job.job_class, ran)
        for job in jobs
        if job.status == JobStatus.RUNNING and (ran := run_time(job)) is not None
    ]
    return paces_of_runs(runs, ask=ask)


def paces_of_runs(runs: Sequence[Run], *, ask: bool = True) -> dict[int, Pace]:
    """Return the same of attempts that run."""
    known = usual.usual_of((run.job_class for run in runs), ask=ask) if runs else {}
    found = {}
    for run in runs:
        p50, p95 = known.get(run.job_class, usual.UNKNOWN)
        if p50 is not None and p95 is not None:
            found[run.job_id] = Pace(run.elapsed.total_seconds(), p50, p95)
    return found
