"""The reference project's settings on the database of `tests.database`; nobody's `.env` is read."""

from __future__ import annotations

import os

os.environ["PYTHON_DOTENV_DISABLED"] = "1"
os.environ.setdefault("SECRET_KEY", "known to everybody: for tests only")

from jobsystem.settings import *  # noqa: F403
from jobsystem.settings import INSTALLED_APPS as PROJECT_APPS
from jobsystem.settings import database

from .database import database_url, names_of_this_run

DEBUG = False
INSTALLED_APPS = [*PROJECT_APPS, "tests"]

DATABASES = {"default": database(database_url())}
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"]["TEST"] = names_of_this_run(DATABASES["default"])

JOBS_FAULT_POINTS = True

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Each test client has a chain of middleware of its own, and each would list all static files first.
WHITENOISE_AUTOREFRESH = True
