"""The list of jobs, and its counts, which a page loads after it is shown."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import Job
from . import stats
from .access import closed
from .export import LIMIT
from .filters import SIZES, SPANS, JobFilter
from .paging import Page
from .responses import permission, render
from .views import LARGE_OF_JOB, choices, find, links
from .words import problems, refusal


@closed("view_job")
def list_jobs(request: HttpRequest) -> HttpResponseBase:
    chosen = JobFilter.parse(request.GET)
    refused = refusal(request.user, chosen)
    selection = chosen.selection(in_messages=request.user.has_perm(permission("view_job_logs")))
    page: Page[Job] = Page([])
    if not refused:
        page = find(chosen, selection.jobs().defer(*LARGE_OF_JOB), chosen.size)
    counts = stats.counts(selection) if "counts" in request.GET and not refused else None
    overview = stats.overview()
    context = {
        "chosen": chosen,
        "overview": overview,
        "hosts": sorted({*(worker.hostname for worker in overview.workers), chosen.worker} - {""}),
        "tabs": stats.tabs(chosen, counts),
        "counts_url": reverse("jobs:counts") + chosen.url(),
        "count_url": chosen.url() + ("&" if len(chosen.url()) > 1 else "") + "counts=1",
        "counted": counts is not None,
        "total": (counts or {}).get(chosen.status),
        "page": page,
        "sizes": SIZES,
        "spans": SPANS,
        "refused": refused,
        "problems": problems(chosen),
        **choices(chosen),
    }
    return render(request, "jobs/list.html", context | links(chosen, page) | places(chosen))


@closed("view_job")
def count_jobs(request: HttpRequest) -> HttpResponseBase:
    """Answer with the parts of the list that need counting, for the script to put in their place."""
    chosen = JobFilter.parse(request.GET)
    selection = chosen.selection(in_messages=request.user.has_perm(permission("view_job_logs")))
    counts = None if refusal(request.user, chosen) else stats.counts(selection)
    context = {
        "tabs": stats.tabs(chosen, counts),
        "counted": counts is not None,
        "total": (counts or {}).get(chosen.status),
    }
    return render(request, "jobs/counts.html", context)


def places(chosen: JobFilter) -> dict[str, Any]:
    """Return the addresses that keep the filter, and those that leave it."""
    return {
        "clear_url": chosen.cleared(),
        "place": chosen.url(before=chosen.before, after=chosen.after),
        "export_limit": LIMIT,
        "chips": chips(chosen),
        "csv_url": reverse("jobs:export", args=["csv"]) + chosen.url(),
        "json_url": reverse("jobs:export", args=["ndjson"]) + chosen.url(),
        "recent": [(name, chosen.url(since=name, until="")) for name in SPANS],
    }


def chips(chosen: JobFilter) -> list[tuple[str, str, str]]:
    """Return what the filter asks for beside its status: what, which, and the list without it."""
    names = {
        "text": _("Text"),
        "job_class": _("Class"),
        "queue": _("Queue"),
        "worker": _("Worker"),
        "error": _("Error"),
        "argument": _("Argument"),
        "since": _("From"),
        "until": _("Before"),
    }
    given = [(name, what, getattr(chosen, name)) for name, what in names.items()]
    return [(what, which, chosen.url(**{name: ""})) for name, what, which in given if which]
