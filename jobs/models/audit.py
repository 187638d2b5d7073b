from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .jobs import Job
from .operations import Operation


class AuditEntry(models.Model):
    """Who asked for a change of a job, and when.

    The actor is kept as id and name, without a foreign key: users may live in another database,
    and a deleted user still did it.
    """

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.CASCADE, related_name="audit", verbose_name=_("job"))
    action = models.CharField(_("action"), max_length=20)
    """The verb: `retry` or `cancel`."""
    status = models.CharField(_("status before"), max_length=10)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_name = models.CharField(_("by"), max_length=254, blank=True)
    """Empty where nobody was named, for instance on a command line."""
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        default_permissions = ("view",)
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} of job {self.job_id}"
    operation = models.ForeignKey(
        Operation, models.SET_NULL, null=True, related_name="audit", verbose_name=_("operation")
    )
    """What it was one of many for."""
