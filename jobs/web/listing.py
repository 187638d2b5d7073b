"""The list of jobs, and its counts, which a page loads after it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, F, JSONField, OuterRef, Subquery, TextField, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Length
from django.db.models.lookups import LessThanOrEqual
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import Attempt, Job
from . import stats
from .access import closed
from .export import LIMIT
from .filters import SIZES, SPANS, JobFilter
from .names import names_for
from .pace import paces_of
from .paging import Page, Reach, reach_of
from .responses import permission, render
from .saved_views import views_of
from .views import find_jobs, links
from .words import group_words, problems, refusal

SHORT_ARGUMENTS = 1_000
"""Characters of arguments, as they are stored, of which a row shows a line."""


@closed("view_job")
def list_jobs(request: HttpRequest) -> HttpResponseBase:
    chosen = JobFilter.parse(request.GET)
    refused = refusal(request.user, chosen)
    selection = chosen.selection(in_messages=request.user.has_perm(permission("view_job_logs")))
    overview, names = stats.overview(), names_for(chosen, request.user)
    if chosen.worker:
        selection.know_workers(names.workers)
    page: Page[Job] = Page([])
    reach: Reach | None = None
    if not refused:
        if not selection.is_one_range:
            reach = reach_of(selection, ends=overview.ends)
        page = find_jobs(chosen, selection, reach, **columns(request.user))
    counts = stats.counts(selection, reach) if "counts" in request.GET and not refused else None
    views = views_of(names, chosen)
    context = {
        "chosen": chosen,
        "overview": overview,
        "tabs": stats.tabs(chosen, counts),
        "counts_url": reverse("jobs:counts") + chosen.url(),
        "count_url": chosen.url() + ("&" if len(chosen.url()) > 1 else "") + "counts=1",
        "counted": counts is not None,
        "total": (counts or {}).get(chosen.status),
        "page": page,
        # To search in a time takes queries of its own, and a page has no more of them to give.
        "paces": paces_of(page.rows, ask=not (chosen.since or chosen.until)),
        "views": views,
        "can_save": chosen.narrows and not any(view.current for view in views),
        "tags": sorted({name for job in page.rows for name in job.tags}),
        "sizes": SIZES,
        "spans": SPANS,
        "refused": refused,
        "problems": problems(chosen),
        **names.offered,
    }
    groups = group_words(request.user, names.groups)
    return render(request, "jobs/list.html", context | links(chosen, page) | places(chosen, groups))


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


def columns(user: Any) -> dict[str, Combinable]:
    """Return what a row shows beside the columns of its job: one or two probes for each row."""
    latest = Attempt.objects.filter(job=OuterRef("pk"), number=OuterRef("attempts_made")).order_by()
    shown: dict[str, Combinable] = {
        "peak_rss": Subquery(latest.values("peak_rss")[:1]),
        "host": Subquery(latest.values("worker__hostname")[:1]),
    }
    if user.has_perm(permission("view_job_arguments")):
        shown["few_arguments"] = few_arguments()
    return shown


def few_arguments() -> Case:
    """Return the arguments of a job where they are short; a list is not to read large ones."""
    size = Length(Cast("arguments", TextField()))
    short = LessThanOrEqual(size, SHORT_ARGUMENTS)
    return Case(When(short, then=F("arguments")), default=None, output_field=JSONField())


def places(chosen: JobFilter, groups: Mapping[str, str]) -> dict[str, Any]:
    """Return the addresses that keep the filter, and those that leave it."""
    return {
        "clear_url": chosen.cleared(),
        "place": chosen.url(before=chosen.before, after=chosen.after),
        "export_limit": LIMIT,
        "chips": chips(chosen, groups),
        "csv_url": reverse("jobs:export", args=["csv"]) + chosen.url(),
        "json_url": reverse("jobs:export", args=["ndjson"]) + chosen.url(),
        "recent": [(name, chosen.url(since=name, until="")) for name in SPANS],
    }


def chips(chosen: JobFilter, groups: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return what the filter asks for beside its status: what, which, and the list without it.

    `groups` has the names of groups of errors.
    """
    names = {
        "text": _("Text"),
        "job_class": _("Class"),
        "queue": _("Queue"),
        "tag": _("Tag"),
        "parent": _("Dispatched by job"),
        "worker": _("Worker"),
        "error": _("Error"),
        "group": _("Error group"),
        "argument": _("Argument"),
        "since": _("From"),
        "until": _("Before"),
    }
    given = [(name, what, getattr(chosen, name)) for name, what in names.items()]
    default = JobFilter()
    return [
        (
            what,
            groups.get(which, which) if name == "group" else str(which),
            chosen.url(**{name: getattr(default, name)}),
        )
        for name, what, which in given
        if which not in ("", None)
    ]
