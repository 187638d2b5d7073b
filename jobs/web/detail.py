"""The page of one job: its story, what it was given and gave, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone

from .. import error_groups
from ..models import Job, Queue
from ..redaction import MASK
from ..registry import find
from ..states import FINAL, PENDING
from . import stats
from .access import closed
from .commands import dispatch_words
from .filters import Filter, number
from .pace import paces_of
from .paging import page_of
from .responses import render
from .runs import runs_around
from .timeline import facts_of
from .tracebacks import own_frames
from .views import ATTEMPTS_SHOWN, LARGE_OF_ATTEMPT, links

CHILDREN_SHOWN = 10


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
        "children": children_of(job),
        "children_shown": CHILDREN_SHOWN,
        **state_of(job),
    }
    return render(request, "jobs/job.html", context | links(Filter(), page))


def children_of(job: Job) -> list[Job]:
    """Return the latest jobs that a job dispatched, and one more than is shown if there are more."""
    children = Job.objects.filter(parent_id=job.pk).order_by("-pk")
    return list(children.only("job_class", "status", "cancel_requested_at")[: CHILDREN_SHOWN + 1])


def state_of(job: Job) -> dict[str, Any]:
    """Return what a page says of a job that is not in its row."""
    words = dispatch_words(job)
    return {
        "pace": paces_of([job]).get(job.pk),
        **prospects_of(job),
        "registered": find(job.job_class) is not None,
        "like": error_groups.failures_since(job.error_group, timezone.now())
        if job.error_group
        else 0,
        "dispatch_words": words,
        "dispatch_is_masked": any(MASK in word for word in words),
    }


def prospects_of(job: Job) -> dict[str, Any]:
    """Return whether a worker serves the queue of a job, and its pause; only what waits is asked for."""
    if job.status not in PENDING:
        return {}
    queue = Queue.objects.filter(name=job.queue).first()
    return {
        "served": stats.serving(stats.live_workers(), job.queue),
        "paused": queue if queue is not None and queue.is_paused() else None,
    }
