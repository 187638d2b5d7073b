"""Retry and cancel for many jobs: a page that says what would happen, then the operation itself."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..lifecycle import operations
from ..lifecycle.engines import engine_for
from ..lifecycle.operations import ACCEPTED, Estimate
from ..models import Job, Operation
from ..selection import LARGEST_KEY, Selection
from ..states import OperationKind
from . import stats
from .access import View, closed
from .filters import JobFilter, number
from .forms import instant
from .key_ranges import key_range
from .paging import Reach, newest_key, page_of, reach_of, searched_page_of
from .presentation import skip_reason
from .responses import permission, refuse, render, to_next
from .views import LARGE_OF_JOB
from .words import described, group_names, problems, refusal

AT_ONCE = 500
"""Jobs that are changed while their user waits; workers change more, as an operation."""
SAMPLES = 5


class Asked(NamedTuple):
    """Which jobs a request means: those ticked, else all that its filter matches."""

    chosen: JobFilter
    selection: Selection
    refused: list[str]
    """Why it cannot be answered; empty if it can."""
    everything: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether neither jobs were ticked nor all asked for."""
        return not self.everything and not self.selection.ids

    @property
    def place(self) -> str:
        """The list it was asked on, at its page."""
        chosen = self.chosen
        return reverse("jobs:list") + chosen.url(before=chosen.before, after=chosen.after)


class Forecast(NamedTuple):
    """What an operation would change, what it would pass over and why, and some it would change."""

    estimate: Estimate
    passed_over: list[tuple[str, stats.Count]]
    samples: list[Job]

    @property
    def total(self) -> stats.Count:
        return stats.Count(*self.estimate)

    @property
    def is_small(self) -> bool:
        return not self.estimate.capped and self.estimate.jobs <= AT_ONCE


def asked(request: HttpRequest) -> Asked:
    query = request.POST if request.method == "POST" else request.GET
    chosen = JobFilter.of_address(query.get("filter", ""))
    if ids := () if query.get("all") else ticked(query):
        return Asked(chosen, Selection(ids=ids), [])
    if not query.get("all"):
        return Asked(chosen, Selection(), [])
    found = [text for text in [refusal(request.user, chosen), *problems(chosen)] if text]
    in_messages = request.user.has_perm(permission("view_job_logs"))
    return Asked(chosen, chosen.selection(in_messages), found, everything=True)


def turned_away(request: HttpRequest, wanted: Asked) -> HttpResponseBase | None:
    """Return the answer to a request that cannot be carried out; None for one that can."""
    if wanted.refused:
        return refuse(request, 400, why=wanted.refused, back=wanted.place)
    if wanted.is_nothing:
        messages.warning(request, _("No job was selected."), fail_silently=True)
        return HttpResponseRedirect(wanted.place)
    return None


def ticked(query: QueryDict) -> tuple[int, ...]:
    """Return the job ids a form names, each once."""
    named = {int(one) for one in query.getlist("id")[:AT_ONCE] if _is_key(one)}
    return tuple(sorted(named))


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= LARGEST_KEY


def forecast(kind: OperationKind, selection: Selection) -> Forecast:
    accepted = ACCEPTED[kind]
    jobs = selection.jobs(among=accepted).defer(*LARGE_OF_JOB)
    if selection.ids:
        tally = Counter(selection.jobs().order_by("pk").values_list("status", flat=True))
        tally["deleted"] = len(selection.ids) - tally.total()
        counts = {why: stats.Count(found) for why, found in tally.items() if found}
        samples = list(jobs.order_by("-pk")[:SAMPLES])
    else:
        reach = None if selection.is_one_range else reach_of(selection)
        counts = {
            status: count
            for status, count in stats.counts(selection, reach).items()
            if status and selection.status in ("", status) and (count.value or count.capped)
        }
        samples = newest(selection, jobs, reach)
    met = [count for why, count in counts.items() if why in accepted]
    others = [(skip_reason(why), one) for why, one in counts.items() if why not in accepted]
    estimate = Estimate(sum(one.value for one in met), any(one.capped for one in met))
    return Forecast(estimate, [(why, one) for why, one in others if one.value], samples)


def newest(selection: Selection, jobs: QuerySet[Job], reach: Reach | None) -> list[Job]:
    if selection.status and selection.is_one_range:
        return page_of(jobs, SAMPLES, None, None, lead=selection.lead).rows
    key, reach = selection.key, reach or reach_of(selection)
    return searched_page_of(jobs, SAMPLES, None, None, key=key, reach=reach).rows


def confirming(kind: OperationKind) -> View:
    """Return the view that says what an operation of this kind would do; it changes nothing."""

    def confirm(request: HttpRequest) -> HttpResponseBase:
        wanted = asked(request)
        if (answer := turned_away(request, wanted)) is not None:
            return answer
        # What is counted here is what the form means, however much later it is sent.
        pinned = wanted.chosen.pinned(wanted.selection)
        context = {
            "kind": kind,
            "chosen": wanted.chosen,
            "filter": pinned.url(before=pinned.before, after=pinned.after),
            "ids": wanted.selection.ids,
            "described": described(
                wanted.selection, group_names(request.user, [wanted.selection.group])
            ),
            "forecast": forecast(kind, wanted.selection),
            "asked_at": engine_for().now().isoformat(),
            "last_job": newest_key(Job.objects.all()),
            "place": wanted.place,
            "at_once": AT_ONCE,
            "stalled": not stats.live_workers(),
        }
        return render(request, "jobs/confirm.html", context)

    return closed("view_job", f"{kind.value}_job")(confirm)


def carrying_out(kind: OperationKind) -> View:
    """Return the view that begins an operation of this kind, and ends it if it is small."""

    def run(request: HttpRequest) -> HttpResponseBase:
        wanted = asked(request)
        if (answer := turned_away(request, wanted)) is not None:
            return answer
        expected, newest_job = forecast(kind, wanted.selection), newest_key(Job.objects.all())
        above, below = key_range(wanted.selection, newest_job)
        operation = operations.begin(
            kind,
            wanted.selection,
            asked_at=earlier(request.POST.get("asked_at", "")),
            first_job=above + 1,
            last_job=min(number(request.POST, "last_job") or LARGEST_KEY, newest_job, below - 1),
            estimate=expected.estimate,
            by=request.user,
        )
        if wanted.selection.ids or expected.is_small:
            operations.carry_out(operation)
        tell(request, operation)
        return to_next(request, wanted.place)

    return closed("view_job", f"{kind.value}_job", method="POST")(run)


def earlier(text: str) -> datetime:
    """Return the time in a form, unless it is none or still to come: then the present one."""
    now = engine_for().now()
    try:
        parsed = parse_datetime(text)
    except ValueError:
        parsed = None
    moment = instant(parsed) if parsed is not None and parsed.tzinfo else None
    return moment if moment is not None and moment < now else now


def tell(request: HttpRequest, operation: Operation) -> None:
    """Say what an operation has done, or that workers do it, with the way to its page."""
    address = operation.get_absolute_url()
    link = format_html('<a href="{}">{}</a>', address, _("Details"))
    if not operation.is_finished:
        text = _("Operation %(number)s has begun; workers carry it out.")
        said = text % {"number": operation.pk}
        messages.success(request, format_html("{} {}", said, link), fail_silently=True)
        return
    said = " ".join(filter(None, [done(operation), skipped(operation)]))
    level = messages.WARNING if operation.skipped or not operation.done else messages.SUCCESS
    messages.add_message(request, level, format_html("{} {}", said, link), fail_silently=True)


def done(operation: Operation) -> str:
    if operation.kind == OperationKind.RETRY:
        text = ngettext(
            "%(n)s job is queued again.", "%(n)s jobs are queued again.", operation.done
        )
    else:
        text = ngettext(
            "%(n)s job was cancelled or asked to stop.",
            "%(n)s jobs were cancelled or asked to stop.",
            operation.done,
        )
    return text % {"n": operation.done}


def skipped(operation: Operation) -> str:
    parts = [f"{count} {skip_reason(why).lower()}" for why, count in operation.skipped.items()]
    return _("Skipped: %(what)s.") % {"what": ", ".join(parts)} if parts else ""


confirm_retry, bulk_retry = confirming(OperationKind.RETRY), carrying_out(OperationKind.RETRY)
confirm_cancel, bulk_cancel = confirming(OperationKind.CANCEL), carrying_out(OperationKind.CANCEL)
