"""The pages. Each loads what it shows with a fixed number of bounded queries."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404

from ..models import Attempt, JobClass, Queue
from ..states import AttemptStatus
from . import logs, stats
from .access import closed
from .filters import SIZES, Filter, JobFilter, LogFilter
from .paging import SPAN, Page, Row, page_of, searched_page_of
from .responses import render

LARGE_OF_JOB = ("arguments", "result")
LARGE_OF_ATTEMPT = ("error_message", "traceback", "receipt")
"""Columns that no list reads."""

ATTEMPTS_SHOWN = 50
LOGS_SHOWN = 20
NAMES_OFFERED = 500


@closed("view_job")
def list_jobs(request: HttpRequest) -> HttpResponseBase:
    chosen = JobFilter.parse(request.GET)
    overview = stats.overview()
    counts = stats.counts(chosen) if chosen.job_class or chosen.queue else overview.counts
    rows = chosen.matching().defer(*LARGE_OF_JOB)
    page = find(chosen, rows, chosen.size)
    context = {
        "chosen": chosen,
        "overview": overview,
        "tabs": stats.tabs(chosen, counts),
        "page": page,
        "sizes": SIZES,
        **choices(chosen),
    }
    return render(request, "jobs/list.html", context | links(chosen, page))


@closed("view_job", "view_job_logs")
def show_attempt(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    attempt = find_attempt(job_id, number)
    context = {
        "job": attempt.job,
        "attempt": attempt,
        "log": logs.view_of(attempt, request.GET),
        "following": "after" in request.GET,
        "settled": attempt.status != AttemptStatus.RUNNING,
        "latest_number": attempt.job.attempts_made,
    }
    return render(request, "jobs/attempt.html", context)


@closed("view_job", "view_job_logs")
def download(request: HttpRequest, job_id: int, number: int) -> HttpResponseBase:
    attempt = find_attempt(job_id, number)
    name = f"job-{job_id}-attempt-{number}.txt"
    return HttpResponse(
        logs.raw(attempt),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@closed("view_job", "view_job_logs")
def show_logs(request: HttpRequest) -> HttpResponseBase:
    chosen = LogFilter.parse(request.GET)
    unread = ["receipt", *(f"job__{name}" for name in LARGE_OF_JOB)]
    attempts = chosen.matching().select_related("job", "worker").defer(*unread)
    page = find(chosen, attempts, LOGS_SHOWN)
    tails = logs.tails(page.rows)
    context = {
        "chosen": chosen,
        "page": page,
        "entries": [(attempt, tails.get(attempt.pk, [])) for attempt in page.rows],
        "main_url": chosen.url(tab=""),
        "errors_url": chosen.url(tab="errors"),
        **choices(chosen),
    }
    return render(request, "jobs/logs.html", context | links(chosen, page))


def find_attempt(job_id: int, number: int) -> Attempt:
    attempts = Attempt.objects.select_related("job", "worker").defer(
        "job__arguments", "job__result"
    )
    return get_object_or_404(attempts, job__id=job_id, number=number)


def find(chosen: Filter, rows: QuerySet[Row], size: int) -> Page[Row]:
    """Return the page of `rows` that a filter asks for."""
    page = searched_page_of if chosen.searches else page_of
    return page(rows, size, chosen.before, chosen.after)


def links(chosen: Filter, page: Page[Any]) -> dict[str, Any]:
    """Return the addresses of the pages around this one, and how far its search went."""
    return {
        "span": SPAN,
        "first_url": chosen.url(),
        "clear_url": chosen.url(job_class="", queue=""),
        "newer_url": chosen.url(after=page.newer) if page.newer is not None else None,
        "older_url": chosen.url(before=page.older) if page.older is not None else None,
    }


def choices(chosen: Filter) -> dict[str, Any]:
    """Return what the filters offer; a name that is chosen is offered even if nobody knows it."""
    classes = JobClass.objects.values_list("name", flat=True)[:NAMES_OFFERED]
    queues = Queue.objects.values_list("name", flat=True)[:NAMES_OFFERED]
    return {
        "classes": sorted({*classes, chosen.job_class} - {""}),
        "queues": sorted({*queues, chosen.queue} - {""}),
    }
