from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ..states import OPEN_OPERATIONS, OperationKind, OperationStatus
from .indexes import PartialIndex
from .names import NameField


class Operation(models.Model):
    """One verb asked for many jobs at once. Workers carry it out in steps, by ascending job id."""

    id = models.BigAutoField(primary_key=True)
    kind = NameField(_("action"), max_length=10, choices=OperationKind.choices)
    selection = models.JSONField(_("filter"))
    """As `jobs.selection.Selection` writes it."""
    asked_at = models.DateTimeField(_("asked"))
    """When its actor saw what it will change: jobs that match only since then are left alone."""
    last_job = models.BigIntegerField()
    """The largest job id at that time."""
    next_job = models.BigIntegerField(default=0)
    """Jobs below this id have been dealt with."""
    estimated = models.PositiveIntegerField(_("estimated"))
    estimate_capped = models.BooleanField(default=False)
    """Whether there were more than `estimated`."""
    done = models.PositiveIntegerField(_("done"), default=0)
    skipped = models.JSONField(_("skipped"), default=dict)
    """Reason → number of jobs. A reason is a job's status, `cancelling`, `changed` or `deleted`."""
    skipped_jobs = models.JSONField(default=list)
    """`[[job id, reason], ...]`, the first of them."""
    status = NameField(
        _("status"),
        max_length=10,
        choices=OperationStatus.choices,
        default=OperationStatus.WAITING,
    )
    error = models.CharField(_("error"), max_length=200, blank=True)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(_("by"), max_length=254, blank=True)
    stop_requested_at = models.DateTimeField(_("stop requested"), null=True)
    stopped_by = models.CharField(_("stopped by"), max_length=254, blank=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("operation")
        verbose_name_plural = _("operations")
        default_permissions = ("view",)
        ordering = ["-id"]
        indexes = [
            PartialIndex(
                fields=["id"], condition=Q(finished_at__isnull=True), name="jobs_operation_open"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=sorted(OPEN_OPERATIONS), finished_at__isnull=True)
                | (~Q(status__in=sorted(OPEN_OPERATIONS)) & Q(finished_at__isnull=False)),
                name="jobs_operation_finished_at",
            ),
        ]

    def __str__(self) -> str:
        return f"operation {self.pk}: {self.kind}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:operation", args=[self.pk])

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None

    @property
    def is_stopping(self) -> bool:
        return self.stop_requested_at is not None and not self.is_finished
