"""The page of one job: its story, what it was given and gave, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from .. import statistics
from ..models import Job, Queue
from ..registry import find
from ..states import FINAL, JobStatus
from . import stats
from .access import closed
from .commands import dispatch_line
from .filters import Filter, number
from .paging import page_of
from .presentation import run_time
from .redaction import MASK
from .responses import render
from .runs import runs_around
from .timeline import facts_of
from .tracebacks import own_frames
from .views import ATTEMPTS_SHOWN, LARGE_OF_ATTEMPT, links


@dataclass(frozen=True)
class Pace:
    """How long a running job has taken, beside what is usual for its class. Times are seconds."""

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


@closed("view_job")
def show_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = get_object_or_404(Job, pk=job_id)
    before, after = number(request.GET, "before"), number(request.GET, "after")
    attempts = job.attempts.select_related("worker").defer(*LARGE_OF_ATTEMPT, "samples")
    page = page_of(attempts, ATTEMPTS_SHOWN, before, after, key="number")
    latest = job.attempts.select_related("worker").order_by("-number").first()
    context = {
        "job": job,
        "page": page,
        "facts": facts_of(job, page),
        "latest": latest,
        "own_traceback": own_frames(latest.traceback) if latest else "",
        "settled": job.status in FINAL,
        "runs": runs_around(job),
        **state_of(job),
    }
    return render(request, "jobs/job.html", context | links(Filter(), page))


def state_of(job: Job) -> dict[str, Any]:
    """Return what a page says of a job that is not in its row."""
    queue = Queue.objects.filter(name=job.queue).first()
    line = dispatch_line(job)
    return {
        "pace": pace_of(job),
        "served": stats.serving(stats.live_workers(), job.queue),
        "paused": queue if queue is not None and queue.is_paused() else None,
        "registered": find(job.job_class) is not None,
        "dispatch_line": line,
        "dispatch_line_is_masked": MASK in line,
    }


def pace_of(job: Job) -> Pace | None:
    """Return the pace of a running job; None where it does not run or nothing is known of its class."""
    ran = run_time(job) if job.status == JobStatus.RUNNING else None
    if ran is None:
        return None
    usual = statistics.usual(job.job_class)
    if usual.p50 is None or usual.p95 is None:
        return None
    return Pace(ran.total_seconds(), usual.p50, usual.p95)
