"""Who did what: operations on many jobs, and the audit of every change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _

from ..lifecycle import operations
from ..models import AuditEntry, Operation
from ..selection import LARGEST_KEY
from . import stats
from .access import closed
from .filters import SPANS, Filter, choice, moment, number, text
from .paging import page_of, searched_page_of
from .responses import permission, refuse, render, to_next
from .views import links
from .words import asked_for

SHOWN = 50
ACTIONS = (
    *("retry", "retry_at", "cancel", "dump", "copy", "dispatch"),
    *("pause", "resume", "drain", "forget"),
)
LARGE_OF_OPERATION = ("skipped_jobs",)
SHOWN_OF_ENTRY = (
    *("job__job_class", "subject", "other_job_id", "action", "detail", "status"),
    *("actor_name", "at", "operation_id"),
)


@closed("view_job")
def list_operations(request: HttpRequest) -> HttpResponseBase:
    chosen = Filter.parse(request.GET)
    rows = Operation.objects.defer(*LARGE_OF_OPERATION)
    page = page_of(rows, SHOWN, chosen.before, chosen.after)
    context = {
        "chosen": chosen,
        "page": page,
        "settled": all(one.is_finished for one in page.rows),
    }
    return render(request, "jobs/operations.html", context | links(chosen, page))


@closed("view_job")
def show_operation(request: HttpRequest, operation_id: int) -> HttpResponseBase:
    operation = get_object_or_404(Operation, pk=operation_id)
    context = {
        "operation": operation,
        "described": asked_for(request.user, operation),
        "may_stop": request.user.has_perm(permission(f"{operation.kind}_job")),
        "stalled": not operation.is_finished and not stats.live_workers(),
        "unmatched": max(operation.estimated - operation.done - sum(operation.skipped.values()), 0),
    }
    return render(request, "jobs/operation.html", context)


@closed("view_job", method="POST")
def stop_operation(request: HttpRequest, operation_id: int) -> HttpResponseBase:
    operation = get_object_or_404(Operation.objects.only("kind"), pk=operation_id)
    if not request.user.has_perm(permission(f"{operation.kind}_job")):
        return refuse(request, 403, missing=[f"{operation.kind}_job"])
    if operations.stop(operation_id, by=request.user):
        text = _("Operation %(number)s was asked to stop; what it has done stays done.")
        messages.success(request, text % {"number": operation_id}, fail_silently=True)
    else:
        text = _("Operation %(number)s has ended, or was already asked to stop.")
        messages.warning(request, text % {"number": operation_id}, fail_silently=True)
    return to_next(request, operation.get_absolute_url())


@dataclass(frozen=True)
class AuditFilter(Filter):
    by: str = ""
    job: int | None = None
    action: str = ""
    operation: int | None = None
    since: str = ""
    until: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        return {
            "by": text(query, "by").strip(),
            "job": key(query, "job"),
            "action": choice(query, "action", list(ACTIONS)),
            "operation": key(query, "operation"),
            "since": text(query, "since", 40),
            "until": text(query, "until", 40),
        }

    @property
    def narrows(self) -> bool:
        return self.searches or self.job is not None

    @property
    def searches(self) -> bool:
        return bool(self.by or self.action or self.operation or self.since or self.until)

    def matching(self) -> QuerySet[AuditEntry]:
        now = timezone.now()
        asked = {
            "actor_name__icontains": self.by,
            "job_id": self.job,
            "action": self.action,
            "operation_id": self.operation,
            "at__gte": moment(self.since, now),
            "at__lt": moment(self.until, now),
        }
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        return AuditEntry.objects.filter(**given)


def key(query: QueryDict, name: str) -> int | None:
    """Return a parameter that is a key as databases take it; 0, which no row has, for a larger one."""
    found = number(query, name)
    return found if found is None or found <= LARGEST_KEY else 0


@closed("view_job")
def show_audit(request: HttpRequest) -> HttpResponseBase:
    chosen = AuditFilter.parse(request.GET)
    rows = chosen.matching().select_related("job").only(*SHOWN_OF_ENTRY)
    paged = searched_page_of if chosen.searches else page_of
    page = paged(rows, SHOWN, chosen.before, chosen.after)
    context = {
        "chosen": chosen,
        "page": page,
        "actions": ACTIONS,
        "spans": SPANS,
        "clear": AuditFilter().url(),
    }
    return render(request, "jobs/audit.html", context | links(chosen, page))
