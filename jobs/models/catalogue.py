"""Small tables of the names in use, written by workers, so that no page needs DISTINCT."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .names import NameField


class Queue(models.Model):
    """A queue some job was seen in."""

    name = NameField(_("name"), max_length=100, primary_key=True)

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)
        permissions = [("manage_queue", "Can pause and resume queues")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


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
