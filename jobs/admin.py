"""Read-only lists of what is stored, with Retry and Cancel, at a bounded cost per page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from .models import Attempt, AuditEntry, Job, JobClass, Queue, Worker
from .web import logs, presentation, redaction
from .web.responses import permission
from .web.stats import CAP, count_each

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    # Generic only in the type stubs.
    _Paginator, _ModelAdmin = Paginator, admin.ModelAdmin

ACTION_LIMIT = 1_000
"""Jobs that one action changes; larger selections are changed in parts."""


class CappedPaginator(_Paginator):
    """Counts to a limit, so that no page of the admin reads a whole table."""

    @cached_property
    def count(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list)
        return min(count_each([self.object_list])[0], CAP)


class NameFilter(admin.SimpleListFilter):
    """Offers the names in a small table; a filter on the column would need DISTINCT."""

    model: type[JobClass] | type[Queue]
    column: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.model.objects.values_list("name", flat=True)[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.column: value.replace("\0", "")}) if value else queryset


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


class ReadOnlyAdmin(_ModelAdmin):
    """Shows rows and changes none."""

    actions: Sequence[Any] = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("id", "job_class", "queue", "state", "spent", "created_at", "finished_at")
    list_display_links = ("id", "job_class")
    list_filter = ("status", ClassFilter, QueueFilter)
    search_fields = ("=id", "=job_class")
    search_help_text = gettext_lazy("The number of a job, or the full name of a class")
    ordering = ("-id",)
    sortable_by = ("id",)
    actions = ("retry", "cancel")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.defer("arguments", "result", "progress")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        fields = [
            *("job_class", "queue", "priority", "state", "spent", "attempts_made"),
            *("created_at", "run_at", "started_at", "finished_at", "cancel_requested_at"),
            *("unresolved_since", "interruptions", "error_type"),
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
        moved = self.carry_out(request, queryset, lambda job: job.retry(by=request.user))
        self.message_user(
            request,
            ngettext("%(n)s job is queued again.", "%(n)s jobs are queued again.", moved)
            % {"n": moved},
            messages.SUCCESS if moved else messages.WARNING,
        )

    @admin.action(permissions=["cancel"], description=gettext_lazy("Cancel the selected jobs"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        moved = self.carry_out(request, queryset, lambda job: job.cancel(by=request.user))
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
        self, request: HttpRequest, jobs: QuerySet[Job], verb: Callable[[Job], bool]
    ) -> int:
        """Apply `verb` to each job, say which were skipped and why, and return how many it moved."""
        chosen = list(jobs.order_by("-id")[: ACTION_LIMIT + 1])
        skipped = Counter(
            presentation.status_label(job).lower() for job in chosen[:ACTION_LIMIT] if not verb(job)
        )
        if skipped:
            parts = ", ".join(f"{count} {state}" for state, count in skipped.most_common())
            self.message_user(request, _("Skipped: %s.") % parts, messages.WARNING)
        if len(chosen) > ACTION_LIMIT:
            text = _("Only the newest %s of the selected jobs were looked at; repeat for the rest.")
            self.message_user(request, text % ACTION_LIMIT, messages.WARNING)
        return min(len(chosen), ACTION_LIMIT) - skipped.total()


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("id", "job_link", "number", "state", "reason", "started_at", "finished_at")
    list_filter = ("status", "reason")
    list_select_related = ("job",)
    search_fields = ("=job__id",)
    search_help_text = gettext_lazy("The number of a job")
    ordering = ("-id",)
    sortable_by = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        attempts: QuerySet[Attempt] = super().get_queryset(request)
        return attempts.defer(
            "traceback", "error_message", "receipt", "job__arguments", "job__result"
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
        rows = logs.tails([attempt]).get(attempt.pk, [])
        return "\n".join(part.text for row in rows for part in row.segments)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "status", "concurrency", "version", "started_at", "beat_at")
    list_filter = ("status",)
    ordering = ("-started_at",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("id", "job_number", "action", "status", "actor_name", "at")
    ordering = ("-id",)
    sortable_by = ("id",)

    @admin.display(description=gettext_lazy("job"))
    def job_number(self, entry: AuditEntry) -> int:
        return entry.job_id


@admin.register(Queue, JobClass)
class NameAdmin(ReadOnlyAdmin):
    list_display = ("name",)
    search_fields = ("name",)
