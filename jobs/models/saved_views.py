from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .names import NameField


class SavedView(models.Model):
    """A filter of the list of jobs that a user has given a name.

    The user is kept as in the audit, without a foreign key.
    """

    id = models.BigAutoField(primary_key=True)
    owner_id = models.CharField(max_length=64)
    owner_name = models.CharField(_("of"), max_length=254, blank=True)
    name = NameField(_("name"), max_length=50)
    query = models.TextField(_("filter"))
    """The query string of the list, from its question mark on."""

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        default_permissions = ()
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner_id", "name"], name="jobs_savedview_name")
        ]

    def __str__(self) -> str:
        return self.name
