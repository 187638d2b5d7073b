from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .indexes import PartialIndex
from .jobs import Job
from .operations import Operation


class AuditEntry(models.Model):
    """Who asked for a change of a job, a queue or a worker, and when.

    The actor is kept as id and name, without a foreign key: users may live in another database,
    and a deleted user still did it.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job, models.CASCADE, null=True, related_name="audit", verbose_name=_("job")
    )
    """Empty where a queue or a worker was changed."""
    subject = models.CharField(_("of"), max_length=300, blank=True)
    """The name of the queue, or the host and process of the worker."""
    other_job_id = models.BigIntegerField(null=True)
    """The job it was copied to (`copy`), or from (`dispatch`)."""
    action = models.CharField(_("action"), max_length=20)
    """The verb: of a job `retry`, `cancel`, `copy`, `dispatch`, `dump`; of a
    queue `pause`, `resume`; of a worker `drain`, `forget`."""
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    """What was said about it: the reason of a pause, the time of a retry."""
    status = models.CharField(_("status before"), max_length=10, blank=True)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(_("by"), max_length=254, blank=True)
    """Empty where nobody was named, for instance on a command line."""
    at = models.DateTimeField(_("at"))
    operation = models.ForeignKey(
        Operation, models.SET_NULL, null=True, related_name="audit", verbose_name=_("operation")
    )
    """What it was one of many for."""

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ("view",)
        ordering = ["-id"]
        indexes = [
            PartialIndex(
                fields=["operation", "-id"],
                condition=Q(operation__isnull=False),
                name="jobs_audit_operation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.subject or f'job {self.job_id}'}"
