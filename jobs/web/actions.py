"""What changes a job: load it, call one verb, say what happened."""

from __future__ import annotations

from django.contrib import messages
from django.db import router
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from ..models import Job, Queue
from ..states import JobStatus
from . import stats
from .access import closed
from .presentation import status_label
from .responses import to_next


@closed("view_job", "retry_job", method="POST")
def retry(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = load(job_id)
    if job.retry(by=request.user):
        announce(request, job, _("%(job)s is queued again."))
    else:
        messages.warning(request, refusal(job, _("retried")), fail_silently=True)
    return back(request, job)


@closed("view_job", "cancel_job", method="POST")
def cancel(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = load(job_id)
    moved = job.cancel(by=request.user)
    if not moved:
        messages.warning(request, refusal(job, _("cancelled")), fail_silently=True)
    elif job.status == JobStatus.CANCELLED:
        text = _("%(job)s was cancelled before it started.")
        messages.success(request, text % {"job": title(job)}, fail_silently=True)
    else:
        text = _("%(job)s was asked to stop; its processes are killed if it does not.")
        messages.success(request, text % {"job": title(job)}, fail_silently=True)
    return back(request, job)


def load(job_id: int) -> Job:
    """Return the job from the database that takes writes, without its large columns."""
    jobs = Job.objects.using(router.db_for_write(Job)).defer("arguments", "result")
    return get_object_or_404(jobs, pk=job_id)


def back(request: HttpRequest, job: Job) -> HttpResponseRedirect:
    return to_next(request, job.get_absolute_url())


def title(job: Job) -> str:
    return f"{job.name} #{job.pk}"


def refusal(job: Job, verb: str) -> str:
    """Say why nothing was done: the job was in another state, or somebody was first."""
    if job.is_cancelling:
        return _("%(job)s was already asked to stop.") % {"job": title(job)}
    return _("%(job)s is %(status)s and cannot be %(verb)s.") % {
        "job": title(job),
        "status": status_label(job).lower(),
        "verb": verb,
    }


def announce(request: HttpRequest, job: Job, done: str) -> None:
    """Say what was done to a job that is due now, and why it will not start soon, if it will not."""
    values = {"job": title(job), "queue": job.queue}
    queue = Queue.objects.filter(name=job.queue).first()
    if queue is not None and queue.is_paused():
        why = _("The queue %(queue)s is paused: it waits until somebody resumes it.")
    elif not stats.serving(stats.live_workers(), job.queue):
        why = _(
            "But no running worker serves the queue %(queue)s: it waits until you start one with "
            "python manage.py runworker."
        )
    else:
        soon = _("It starts as soon as a worker is free.")
        messages.success(request, f"{done % values} {soon}", fail_silently=True)
        return
    messages.warning(request, f"{done % values} {why % values}", fail_silently=True)
