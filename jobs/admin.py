"""Read-only lists of what is stored, with Retry and Cancel, at a bounded cost per page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from . import redaction
from .lifecycle.operations import ACCEPTED
from .models import Attempt, AuditEntry, Job, JobClass, Queue, Worker
from .states import JobStatus, OperationKind
from .web import presentation
from .web.alllogs import tails
from .web.responses import permission
from .web.tables import NameFilter, ReadOnlyAdmin

ACTION_LIMIT = 1_000
"""Jobs that one action changes; larger selections are changed in parts."""


class ClassFilter(NameFilter):
    title = gettext_lazy("class")
    parameter_name = "class"
    model = JobClass
    column = "job_class"


class QueueFilter(NameFilter):
    title = gettext_lazy("queue")
    parameter_name = "queue"
    model = Queue
    column = "queue"


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = (
        *("id", "job_class", "queue", "state", "shown_tags", "spent", "created_at", "finished_at"),
    )
    list_display_links = ("id", "job_class")
    list_filter = ("status", ClassFilter, QueueFilter)
    search_fields = ("id", "job_class")
    number_column, name_column = "id", "job_class"
    answered_by_an_index = 1
    search_help_text = gettext_lazy("The number of a job, or the full name of a class")
    ordering = ("-id",)
    sortable_by = ("id",)
    actions = ("retry", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.defer("arguments", "result", "progress").prefetch_related("tag_rows")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = [
            *("job_class", "queue", "priority", "shown_tags", "state", "spent", "attempts_made"),
            *("created_at", "run_at", "started_at", "finished_at", "cancel_requested_at"),
            *("unresolved_since", "interruptions", "error_type", "parent_id", "origin"),
        ]
        if request.user.has_perm(permission("view_job_logs")):
            fields.append("error_message")
        if request.user.has_perm(permission("view_job_arguments")):
            fields += ["shown_arguments", "shown_result"]
        return fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("status"))
    def state(self, job: Job) -> str:
        return presentation.status_label(job)

    @admin.display(description=gettext_lazy("tags"))
    def shown_tags(self, job: Job) -> str:
        return ", ".join(job.tags)

    @admin.display(description=gettext_lazy("attempts"))
    def spent(self, job: Job) -> str:
        return presentation.tries(job)

    @admin.display(description=gettext_lazy("arguments"))
    def shown_arguments(self, job: Job) -> str:
        return redaction.as_text(job.arguments)

    @admin.display(description=gettext_lazy("result"))
    def shown_result(self, job: Job) -> str:
        return "" if job.result is None else redaction.as_text(job.result)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(permission("retry_job"))

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(permission("cancel_job"))

    @admin.action(permissions=["retry"], description=gettext_lazy("Retry the selected jobs"))
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        moved = self.carry_out(request, queryset, lambda job: job.retry(by=request.user), "retry")
        self.message_user(
            request,
            ngettext("%(n)s job is queued again.", "%(n)s jobs are queued again.", moved)
            % {"n": moved},
            messages.SUCCESS if moved else messages.WARNING,
        )

    @admin.action(permissions=["cancel"], description=gettext_lazy("Cancel the selected jobs"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        moved = self.carry_out(request, queryset, lambda job: job.cancel(by=request.user), "cancel")
        self.message_user(
            request,
            ngettext(
                "%(n)s job was cancelled or asked to stop.",
                "%(n)s jobs were cancelled or asked to stop.",
                moved,
            )
            % {"n": moved},
            messages.SUCCESS if moved else messages.WARNING,
        )

    def carry_out(
        self, request: HttpRequest, jobs: QuerySet[Job], verb: Callable[[Job], bool], kind: str
    ) -> int:
        """Apply `verb` to each job, say which were skipped and why, and return how many it moved."""
        jobs = jobs.order_by("-id").prefetch_related(None)
        seen = jobs[:ACTION_LIMIT]
        skipped = Counter(_state(job) for job in seen if not _accepts(kind, job))
        chosen = _changeable(jobs, kind)
        moved: list[Job] = []
        for job in chosen[:ACTION_LIMIT]:
            if verb(job):
                moved.append(job)
            else:
                skipped[_state(job)] += 1
        if moved:
            LogEntry.objects.log_actions(str(request.user.pk), moved, CHANGE, kind)
        if skipped:
            parts = ", ".join(f"{count} {state}" for state, count in skipped.most_common())
            self.message_user(request, _("Skipped: %s.") % parts, messages.WARNING)
        if len(chosen) > ACTION_LIMIT:
            text = _(
                "Of the selected jobs that allow it, the newest %s were changed; repeat for the rest."
            )
            self.message_user(request, text % ACTION_LIMIT, messages.WARNING)
        return len(moved)


def _changeable(jobs: QuerySet[Job], kind: str) -> list[Job]:
    """Return the newest jobs that an action can change, one more than it may.

    Of those alone, since repeating it would meet the others again and never get past them.
    """
    found: list[Job] = []
    for status in ACCEPTED[OperationKind(kind)]:
        # One range of the index for each: of all together, the whole table might be read.
        rows = jobs.filter(status=status)
        if status == JobStatus.RUNNING:
            rows = rows.filter(cancel_requested_at=None)
        found += rows[: ACTION_LIMIT + 1]
    return sorted(found, key=lambda job: -job.pk)[: ACTION_LIMIT + 1]


def _accepts(kind: str, job: Job) -> bool:
    return job.status in ACCEPTED[OperationKind(kind)] and not job.is_cancelling


def _state(job: Job) -> str:
    return presentation.status_label(job).lower()


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("id", "job_link", "number", "state", "reason", "started_at", "finished_at")
    list_filter = ("status", "reason")
    list_select_related = ("job",)
    search_fields = ("job__id",)
    number_column = "job_id"
    answered_by_an_index = 0
    search_help_text = gettext_lazy("The number of a job")
    ordering = ("-id",)
    sortable_by = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        attempts: QuerySet[Attempt] = super().get_queryset(request)
        return attempts.defer(
            *("traceback", "error_message", "receipt", "samples"),
            *("job__arguments", "job__result"),
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = [
            *("job_link", "number", "state", "reason", "worker", "pid"),
            *("claimed_at", "started_at", "finished_at", "exit_code", "signal", "error_type"),
            *("cpu_seconds", "peak_rss", "output_bytes", "output_dropped", "receipt"),
        ]
        if request.user.has_perm(permission("view_job_logs")):
            fields += ["error_message", "traceback", "shown_output"]
        return fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("job"))
    def job_link(self, attempt: Attempt) -> str:
        return str(attempt.job)

    @admin.display(description=gettext_lazy("status"))
    def state(self, attempt: Attempt) -> str:
        return presentation.status_label(attempt)

    @admin.display(description=gettext_lazy("end of its output"))
    def shown_output(self, attempt: Attempt) -> str:
        rows = tails([attempt]).get(attempt.pk, [])
        return "\n".join(part.text for row in rows for part in row.segments)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "status", "concurrency", "version", "started_at", "beat_at")
    list_filter = ("status",)
    ordering = ("-started_at",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("id", "target", "action", "detail", "status", "actor_name", "at")
    search_fields = ("job__id",)
    number_column, name_column = "job_id", "subject"
    search_help_text = gettext_lazy("The number of a job, or the name of a queue or a worker")
    ordering = ("-id",)
    sortable_by = ("id",)

    @admin.display(description=gettext_lazy("of"))
    def target(self, entry: AuditEntry) -> str:
        return entry.subject or f"#{entry.job_id}"


@admin.register(Queue, JobClass)
class NameAdmin(ReadOnlyAdmin):
    list_display = ("name",)
    search_fields = ("name",)
    name_column = "name"
