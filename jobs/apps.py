from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "jobs"
    label = "jobs"
    verbose_name = _("Background jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Find the job classes of all apps, and register the system checks."""
        # Importing the checks registers them.
        from . import checks, registry  # noqa: F401

        registry.autodiscover()
