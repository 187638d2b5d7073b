"""Small tables of the names in use, written by workers, so that no page needs DISTINCT."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .names import NameField


class Queue(models.Model):
    """A queue some job was seen in, and whether workers leave its jobs alone for now."""

    name = NameField(_("name"), max_length=100, primary_key=True)
    paused_at = models.DateTimeField(_("paused"), null=True)
    paused_until = models.DateTimeField(_("paused until"), null=True)
    """When the pause ends by itself; never, where it is empty."""
    paused_by = models.CharField(_("paused by"), max_length=254, blank=True)
    """Name of the user; empty where nobody was named."""
    pause_reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)
        permissions = [("manage_queue", "Can pause and resume queues")]
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(paused_at__isnull=False) | Q(paused_until__isnull=True),
                name="jobs_queue_paused_until",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def is_paused(self, now: datetime | None = None) -> bool:
        """Whether its jobs wait although they are due; a pause whose end has come is over."""
        if self.paused_at is None:
            return False
        return self.paused_until is None or self.paused_until > (now or timezone.now())


class JobClass(models.Model):
    """A job class some worker knows."""

    name = NameField(_("name"), max_length=200, primary_key=True)

    class Meta:
        verbose_name = _("job class")
        verbose_name_plural = _("job classes")
        default_permissions = ("view",)
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CodeVersion(models.Model):
    """A version of the project's code, as its workers are told it, and when one first ran it.

    The rows of workers go within days; charts look back for a month.
    """

    name = NameField(_("version"), max_length=100, primary_key=True)
    first_started_at = models.DateTimeField(_("first started"))

    class Meta:
        verbose_name = _("version of the code")
        verbose_name_plural = _("versions of the code")
        default_permissions = ()
        indexes = [models.Index(fields=["first_started_at"], name="jobs_version_started")]

    def __str__(self) -> str:
        return self.name
