"""Who did what: operations on many jobs, and the audit of every change."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from ..lifecycle import operations
from ..models import Operation
from . import stats
from .access import closed
from .audit_filter import ACTIONS, AuditFilter
from .export import LIMIT
from .filters import SPANS, Filter
from .paging import page_of, searched_page_of
from .responses import permission, refuse, render, to_next
from .views import links
from .words import asked_for, groups_asked_for

SHOWN = 50
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
        "groups": groups_asked_for(request.user, page.rows),
        "settled": all(one.is_finished for one in page.rows),
    }
    return render(request, "jobs/operations.html", context | links(chosen, page))


@closed("view_job")
def show_operation(request: HttpRequest, operation_id: int) -> HttpResponseBase:
    operation = get_object_or_404(Operation, pk=operation_id)
    context = {
        "operation": operation,
        "described": asked_for(
            request.user, operation, groups_asked_for(request.user, [operation])
        ),
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
        "csv_url": reverse("jobs:export_audit", args=["csv"]) + chosen.url(),
        "json_url": reverse("jobs:export_audit", args=["ndjson"]) + chosen.url(),
        "export_limit": LIMIT,
    }
    return render(request, "jobs/audit.html", context | links(chosen, page))
