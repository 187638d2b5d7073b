"""Django settings for peers that live in a Django project; `BENCH_PEER` says which."""

from __future__ import annotations

import os
from typing import Any

import dj_database_url

PEER = os.environ["BENCH_PEER"]
APPS = {
    "django_tasks_db": ["django_tasks_db"],
    "django_ox": ["django_ox"],
    "procrastinate": ["procrastinate.contrib.django"],
}
BACKENDS = {
    "django_tasks_db": "django_tasks_db.DatabaseBackend",
    "django_ox": "django_ox.backend.OxBackend",
}

SECRET_KEY = "known to everybody: for benchmarks only"
DEBUG = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", *APPS[PEER]]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
if PEER in BACKENDS:
    TASKS = {"default": {"BACKEND": BACKENDS[PEER]}}
if PEER == "procrastinate":
    PROCRASTINATE_IMPORT_PATHS = ["bench.peers.adapters.procrastinate"]

# Without persistent connections django-tasks-db would open one for every look at its queue.
_database: dict[str, Any] = dict(
    dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=600)
)
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DATABASES = {"default": _database}
