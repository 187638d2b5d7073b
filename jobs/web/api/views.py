"""The JSON API. Each view reads as much as the page it stands for, and with the same rights."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC
from typing import Any

from django.db import router
from django.http import HttpRequest, HttpResponseBase, JsonResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from ... import error_groups, statistics
from ...models import Attempt, Job
from .. import trends
from ..filters import PARAMETERS, Filter, JobFilter, number
from ..paging import page_of
from ..reports import GROUPS_SHOWN, ErrorFilter
from ..responses import permission
from ..trends import CLASSES_SHOWN, TrendFilter
from ..views import ATTEMPTS_SHOWN, LARGE_OF_ATTEMPT, LARGE_OF_JOB, find_jobs
from ..words import problems, refusal
from .access import Refused, machine
from .shapes import (
    attempt_shape,
    counts_shape,
    group_shape,
    job_shape,
    stamp,
    summary_shape,
    whole_attempt_shape,
    whole_job_shape,
)

PLACES = ("before", "after")


def understood(kind: type[Filter], query: QueryDict, unused: tuple[str, ...] = ()) -> Any:
    """Return the filter of a query. Raises Refused for whatever a page would pass over."""
    chosen = kind.parse(query)
    known = {PARAMETERS.get(one.name, one.name): one for one in fields(kind)}
    for name, values in query.lists():
        if name not in known or name in unused:
            raise Refused(400, f"There is no parameter {name!r}: {_listed(known, unused)} are.")
        if len(values) > 1:
            raise Refused(400, f"The parameter {name!r} is given {len(values)} times.")
        one = known[name]
        got = getattr(chosen, one.name)
        if values[0] and str(got) != values[0].strip():
            raise Refused(400, f"The parameter {name!r} does not accept {values[0][:100]!r}.")
    return chosen


def _listed(known: dict[str, Any], unused: tuple[str, ...]) -> str:
    return ", ".join(sorted(set(known) - set(unused)))


@machine("view_job")
def list_jobs(request: HttpRequest) -> HttpResponseBase:
    chosen: JobFilter = understood(JobFilter, request.GET)
    if hidden := refusal(request.user, chosen):
        raise Refused(403, hidden)
    if wrong := problems(chosen):
        raise Refused(400, " ".join(wrong))
    selection = chosen.selection(in_messages=request.user.has_perm(permission("view_job_logs")))
    page = find_jobs(chosen, selection)
    address = reverse("jobs:api_jobs")
    return JsonResponse(
        {
            "jobs": [job_shape(job, request.user) for job in page.rows],
            "newer": None if page.newer is None else address + chosen.url(after=page.newer),
            "older": None if page.older is None else address + chosen.url(before=page.older),
            "partial": page.partial,
        }
    )


@machine("view_job")
def show_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    readable = request.user.has_perm(permission("view_job_arguments"))
    jobs = Job.objects.all() if readable else Job.objects.defer(*LARGE_OF_JOB)
    return JsonResponse({"job": whole_job_shape(loaded(jobs, job_id), request.user)})


@machine("view_job")
def list_attempts(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = loaded(Job.objects.only("id"), job_id)
    places = {name: place(request.GET, name) for name in PLACES}
    rows = Attempt.objects.filter(job=job).select_related("worker").defer(*LARGE_OF_ATTEMPT)
    page = page_of(rows, ATTEMPTS_SHOWN, places["before"], places["after"], key="number")
    address = reverse("jobs:api_attempts", args=[job_id])
    return JsonResponse(
        {
            "attempts": [attempt_shape(attempt) for attempt in page.rows],
            "newer": None if page.newer is None else f"{address}?after={page.newer}",
            "older": None if page.older is None else f"{address}?before={page.older}",
        }
    )


@machine("view_job", "view_job_logs")
def show_attempt(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    attempts = Attempt.objects.select_related("worker").defer("receipt", "samples")
    attempt = attempts.filter(job__id=job_id, number=number).first()
    if attempt is None:
        raise Refused(404, f"There is no attempt {number} of a job {job_id}.")
    return JsonResponse({"attempt": whole_attempt_shape(attempt)})


@machine("view_job", "retry_job", method="POST")
def retry(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = changeable(job_id)
    if not job.retry(by=request.user):
        raise Refused(409, f"Job {job_id} is {job.status}: only failed and cancelled ones retry.")
    return JsonResponse({"job": job_shape(job, request.user)})


@machine("view_job", "cancel_job", method="POST")
def cancel(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = changeable(job_id)
    if not job.cancel(by=request.user):
        state = "being cancelled already" if job.is_cancelling else job.status
        raise Refused(409, f"Job {job_id} is {state}: there is nothing to cancel.")
    return JsonResponse({"job": job_shape(job, request.user)})


@machine("view_job")
def show_statistics(request: HttpRequest) -> HttpResponseBase:
    chosen: TrendFilter = understood(TrendFilter, request.GET, unused=("size", *PLACES))
    told = trends.report(chosen, timezone.now())
    return JsonResponse(
        {
            "range": told.range.name,
            "start": stamp(told.start.astimezone(UTC)),
            "step_seconds": int(told.range.step.total_seconds()),
            "whole": summary_shape(told.whole),
            "steps": [
                {"start": stamp(one.start), **summary_shape(one.summary)} for one in told.steps
            ],
            "classes": [
                {"class": row.job_class, "runs": row.runs, **class_summary(row)}
                for row in told.classes[:CLASSES_SHOWN]
            ],
            "ever": counts_shape(statistics.lifetime()),
        }
    )


def class_summary(row: trends.ClassRow) -> dict[str, Any]:
    """Return the summary of a class, in which nothing is known of how long its attempts waited."""
    shape = summary_shape(row.summary)
    del shape["wait_seconds"]
    return shape


@machine("view_job")
def show_errors(request: HttpRequest) -> HttpResponseBase:
    chosen: ErrorFilter = understood(ErrorFilter, request.GET, unused=("queue", "size", *PLACES))
    groups = error_groups.most_frequent(
        timezone.now(),
        window=chosen.window,
        job_class=chosen.job_class,
        fingerprint=chosen.group,
        limit=GROUPS_SHOWN,
    )
    return JsonResponse({"groups": [group_shape(group, request.user) for group in groups]})


@machine()
def unknown(request: HttpRequest, rest: str) -> HttpResponseBase:
    raise Refused(404, f"There is no /api/{rest[:100]}. Addresses end with a slash.")


def loaded(jobs: Any, job_id: int) -> Job:
    job: Job | None = jobs.filter(pk=job_id).first()
    if job is None:
        raise Refused(404, f"There is no job {job_id}; it may have been deleted.")
    return job


def changeable(job_id: int) -> Job:
    """Return a job from the database that takes writes, without its large columns."""
    return loaded(Job.objects.using(router.db_for_write(Job)).defer(*LARGE_OF_JOB), job_id)


def place(query: QueryDict, name: str) -> int | None:
    found = number(query, name)
    if found is None and query.get(name):
        raise Refused(400, f"The parameter {name!r} does not accept {query[name][:100]!r}.")
    return found
