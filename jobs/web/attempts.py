"""The page of one attempt with its log, what can be asked of it, and two of them compared."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import router
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from ..lifecycle.dumping import ask_dump
from ..models import Attempt, Job
from ..states import AttemptStatus
from . import comparing, endings, logs
from .access import closed
from .filters import key, number, text
from .measures import measures_of
from .paging import newest_key
from .responses import permission, refuse, render
from .rows import PICKED


@closed("view_job", "view_job_logs")
def show_attempt(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    attempt = find(job_id, number)
    if attempt is None:
        return refuse(request, 404, gone=is_gone(job_id))
    log = logs.view_of(attempt, request.GET)
    stored = logs.stored_bytes(attempt)
    if attempt.status == AttemptStatus.RUNNING:
        attempt.output_bytes = stored  # Recorded with the outcome; until then, what has come.
    context = {
        "job": attempt.job,
        "attempt": attempt,
        "log": log,
        "at_end": log.later is None,
        "following": "after" in request.GET,
        "settled": attempt.status != AttemptStatus.RUNNING,
        "latest_number": attempt.job.attempts_made,
        "levels": PICKED,
        "measures": measures_of(attempt),
        "ending": endings.exit_sentence(attempt),
        "note": endings.output_note(attempt, stored > 0),
    }
    return render(request, "jobs/attempt.html", context)


@closed("view_job", "view_job_logs")
def download(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    attempt = find(job_id, number)
    if attempt is None:
        return refuse(request, 404, gone=is_gone(job_id))
    name = f"job-{job_id}-attempt-{number}.txt"
    return StreamingHttpResponse(
        logs.raw(attempt),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@closed("view_job", "view_job_logs", "cancel_job", method="POST")
def dump(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    """Ask a running attempt for its stacks. It takes the right to cancel: it touches the process."""
    attempts = Attempt.objects.using(router.db_for_write(Attempt)).select_related("job")
    attempt = get_object_or_404(attempts, job__id=job_id, number=number)
    if ask_dump(attempt, by=request.user):
        text = _("The stacks of all threads were asked for: they appear in the log in a moment.")
        messages.success(request, text, fail_silently=True)
    elif attempt.status == AttemptStatus.RUNNING and attempt.started_at:
        text = _("The stacks were already asked for; its worker has not answered yet.")
        messages.warning(request, text, fail_silently=True)
    else:
        text = _("Only a running attempt has stacks, and this one does not run.")
        messages.warning(request, text, fail_silently=True)
    return HttpResponseRedirect(attempt.get_absolute_url())


@closed("view_job", "view_job_logs")
def compare(request: HttpRequest) -> HttpResponseBase:
    """Compare the attempt `?a=` with `?b=`, or with number `?n=` of its job, or the last success.

    `?with=12.3` names the other one by its job and number, and `?typed=` does as somebody typed it.
    """
    attempts = comparing.with_all(Attempt.objects.all())
    one = get_object_or_404(attempts, pk=key(request.GET, "a"))
    by_id, of_job = key(request.GET, "b"), number(request.GET, "n")
    picked = text(request.GET, "typed", 40).strip() or text(request.GET, "with", 40).strip()
    if picked:
        other = comparing.attempt_named(picked)
    elif by_id is not None:
        other = attempts.filter(pk=by_id).first()
    elif of_job is not None:
        other = attempts.filter(job__id=one.job_id, number=of_job).first()
    else:
        other = comparing.last_success(one)
    same, latest = comparing.offers(one)
    context: dict[str, Any] = {
        "one": one,
        "other": other,
        "with_success": not picked and by_id is None and of_job is None,
        "same": same,
        "latest": latest,
        "current": f"{other.job_id}.{other.number}" if other else "",
        "typed": text(request.GET, "typed", 40),
    }
    if other is not None:
        context["difference"] = comparing.first_difference(one, other)
        context["compared"] = comparing.COMPARED_LINES
        context["sides"] = [(side, endings.exit_sentence(side)) for side in (one, other)]
        if request.user.has_perm(permission("view_job_arguments")):
            context["arguments"] = comparing.arguments(one.job, other.job)
    return render(request, "jobs/compare.html", context)


def find(job_id: int, number: int) -> Attempt | None:
    attempts = Attempt.objects.select_related("job", "worker")
    return (
        attempts.defer("job__arguments", "job__result")
        .filter(job__id=job_id, number=number)
        .first()
    )


def is_gone(job_id: int) -> bool:
    """Whether there was a job with this id, and it has been deleted since."""
    return not Job.objects.filter(pk=job_id).exists() and job_id <= newest_key(Job.objects.all())
