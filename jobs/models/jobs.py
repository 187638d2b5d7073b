from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from ..fingerprints import DIGITS
from ..states import CANCELLABLE, FINAL, RETRYABLE, WAITING, JobStatus
from .indexes import PartialIndex
from .names import NameField

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models.fields.related_descriptors import RelatedManager

    from .attempts import Attempt
    from .tags import Tag


class Job(models.Model):
    """One job, from its dispatch to its final state. Times are aware UTC datetimes.

    Change its state with `retry()` and `cancel()`, never with `save()`: a worker may be
    changing the same row, and only a guarded statement tells who was first.
    """

    attempts: RelatedManager[Attempt]
    tag_rows: RelatedManager[Tag]

    id = models.BigAutoField(primary_key=True)
    job_class = NameField(_("class"), max_length=200)
    queue = NameField(_("queue"), max_length=100, default="default")
    priority = models.SmallIntegerField(_("priority"), default=0)
    arguments = models.JSONField(_("arguments"), default=dict)
    status = NameField(_("status"), max_length=10, choices=JobStatus.choices)
    run_at = models.DateTimeField(_("due"))
    created_at = models.DateTimeField(_("dispatched"))
    started_at = models.DateTimeField(_("started"), null=True)
    """When its latest attempt was handed to a process."""
    finished_at = models.DateTimeField(_("finished"), null=True)
    max_attempts = models.PositiveSmallIntegerField(_("attempts allowed"))
    attempts_spent = models.PositiveSmallIntegerField(_("attempts spent"), default=0)
    """Attempts that count against `max_attempts`; a retry sets it back to 0."""
    attempts_made = models.PositiveIntegerField(_("attempts made"), default=0)
    """The number of the latest attempt; set back only with one that nobody has begun."""
    interruptions = models.PositiveSmallIntegerField(_("interruptions"), default=0)
    """How often it was given back unspent because a worker stopped or was lost."""
    losses = models.PositiveSmallIntegerField(_("losses"), null=True)
    """How often its worker was lost while it ran: `jobs.lifecycle.blaming` says what follows."""
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True)
    unresolved_since = models.DateTimeField(_("unresolved since"), null=True)
    """When a worker first found no class of this name."""
    error_type = models.CharField(_("error"), max_length=200, blank=True)
    error_message = models.CharField(_("error message"), max_length=500, blank=True)
    error_group = models.CharField(_("error group"), max_length=DIGITS, null=True)
    """Fingerprint of the group of like errors that its latest error is in; null where it has none."""
    result = models.JSONField(_("result"), null=True)
    progress = models.JSONField(_("progress"), null=True)
    """`{"done": int, "total": int | null, "message": str}`"""
    origin = models.JSONField(_("origin"), null=True)
    """Where it was dispatched, as `jobs.origins.Origin` tells it."""
    parent_id = models.BigIntegerField(_("dispatched by job"), null=True)
    """The job whose code dispatched it; that one may be deleted by now."""

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ("view",)
        permissions = [
            ("view_job_arguments", "Can view the arguments and results of jobs"),
            ("view_job_logs", "Can view the output and tracebacks of jobs"),
            ("retry_job", "Can retry jobs"),
            ("cancel_job", "Can cancel jobs"),
            ("dispatch_job", "Can dispatch jobs by hand"),
        ]
        indexes = [
            PartialIndex(
                fields=["queue", "-priority", "run_at", "id"],
                condition=Q(status=JobStatus.QUEUED),
                name="jobs_job_claim",
            ),
            PartialIndex(
                fields=["run_at"], condition=Q(status__in=sorted(WAITING)), name="jobs_job_due"
            ),
            PartialIndex(
                fields=["id"],
                condition=Q(status=JobStatus.RUNNING, cancel_requested_at__isnull=False),
                name="jobs_job_cancelling",
            ),
            # SQLite takes a status for one of several only where they are joined by OR.
            PartialIndex(
                fields=["status", "finished_at"],
                condition=reduce(or_, (Q(status=status) for status in sorted(FINAL))),
                name="jobs_job_finished",
            ),
            PartialIndex(
                fields=["parent_id", "-id"],
                condition=Q(parent_id__isnull=False),
                name="jobs_job_parent",
            ),
            PartialIndex(
                fields=["error_group", "status", "-id"],
                condition=Q(error_group__isnull=False),
                name="jobs_job_error_group",
            ),
            models.Index(fields=["status", "-id"], name="jobs_job_status"),
            models.Index(fields=["job_class", "-id"], name="jobs_job_class"),
            models.Index(fields=["queue", "-id"], name="jobs_job_queue"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=sorted(FINAL), finished_at__isnull=False)
                | (~Q(status__in=sorted(FINAL)) & Q(finished_at__isnull=True)),
                name="jobs_job_finished_at",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(JobStatus.values)), name="jobs_job_status_known"
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=-100, priority__lte=100), name="jobs_job_priority"
            ),
            models.CheckConstraint(condition=Q(max_attempts__gte=1), name="jobs_job_max_attempts"),
        ]

    def __str__(self) -> str:
        return f"{self.job_class} #{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.pk])

    @property
    def name(self) -> str:
        """The class without its app label."""
        return self.job_class.rpartition(".")[2]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """What it was tagged with, in the order given: it never changes.

        One query for each job; `prefetch_related("tag_rows")` makes it one for all.
        """
        return tuple(row.name for row in self.tag_rows.all())

    @property
    def is_finished(self) -> bool:
        return self.status in FINAL

    @property
    def is_cancelling(self) -> bool:
        """Whether it was asked to stop and still runs."""
        return self.status == JobStatus.RUNNING and self.cancel_requested_at is not None

    @property
    def can_retry(self) -> bool:
        return self.status in RETRYABLE

    @property
    def can_cancel(self) -> bool:
        return self.status in CANCELLABLE and self.cancel_requested_at is None

    def retry(self, by: AbstractBaseUser | Any = None, *, run_at: datetime | None = None) -> bool:
        """Queue a failed or cancelled job again, with a fresh budget of attempts.

        It is due at `run_at` (aware), or at once. `by` is the user it is recorded for. Returns
        whether this call moved it: False means that it was in another state (somebody else was
        first). The instance is refreshed either way.
        """
        from ..lifecycle.changing import retry

        moved = retry(self.pk, run_at=run_at, by=by, using=self._state.db)
        self.refresh_from_db()
        return moved

    def cancel(self, by: AbstractBaseUser | Any = None) -> bool:
        """Cancel a waiting job at once, or ask a running one to stop.

        `by` is the user it is recorded for. Returns whether this call cancelled it or asked for it:
        False means that it was finished, or already asked. The instance is refreshed either way.
        """
        from ..lifecycle.changing import cancel

        moved = cancel(self.pk, by=by, using=self._state.db)
        self.refresh_from_db()
        return moved
