"""The reference project's settings with the jobs of the benchmarks, on the database of `DATABASE_URL`."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

os.environ["PYTHON_DOTENV_DISABLED"] = "1"
os.environ.setdefault("SECRET_KEY", "known to everybody: for benchmarks only")
if not os.environ.get("DATABASE_URL"):
    raise ImproperlyConfigured(
        "DATABASE_URL is not set: benchmarks fill a database, so name one made for that"
    )

from jobsystem.settings import *  # noqa: F403
from jobsystem.settings import INSTALLED_APPS as PROJECT_APPS

DEBUG = False
INSTALLED_APPS = [*PROJECT_APPS, "bench"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"django": {"handlers": [], "level": "WARNING"}},
}
