"""The database the tests run on: a file for SQLite, a PostgreSQL brought along, or a MySQL server.

`TEST_DATABASE` is `sqlite` (the default), `postgresql`, `mysql` (the server of `TEST_MYSQL_URL`, else
one on this machine), or the URL of a database to use as it stands: that is what processes started by
a test get, so that they see the database of the test.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from .mysql import server_url
from .postgres import start_postgres

SQLITE = "django.db.backends.sqlite3"
MYSQL = "django.db.backends.mysql"


def database_url() -> str:
    """Return the URL of the database to derive the test database from."""
    chosen = os.environ.get("TEST_DATABASE") or "sqlite"
    if chosen == "sqlite":
        return f"sqlite:///{tempfile.gettempdir()}/jobs.sqlite3"
    if chosen == "postgresql":
        # The environment hands a started server on to the processes of pytest-xdist.
        if not os.environ.get("TEST_POSTGRES_URL"):
            os.environ["TEST_POSTGRES_URL"] = start_postgres()
        return os.environ["TEST_POSTGRES_URL"]
    if chosen == "mysql":
        return server_url()
    if "://" in chosen:
        return chosen
    raise ImproperlyConfigured(f"TEST_DATABASE is {chosen!r}: sqlite, postgresql, mysql or a URL")


def names_of_this_run(config: dict[str, Any]) -> dict[str, str]:
    """Return Django's `TEST` setting: a name no other run of the tests uses at the same time."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
    name = f"test_jobs_{run[:12]}"
    if config["ENGINE"] == SQLITE:
        return {"NAME": f"{tempfile.gettempdir()}/{name}.sqlite3"}
    if config["ENGINE"] == MYSQL:
        return {"NAME": name, "CHARSET": "utf8mb4"}
    return {"NAME": name}


def live_url(config: dict[str, Any]) -> str:
    """Return the URL of an open test database, for the environment of another process."""
    if config["ENGINE"] == SQLITE:
        return f"sqlite:///{config['NAME']}"
    return urlsplit(database_url())._replace(path=f"/{config['NAME']}").geturl()


def live_environment(config: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a process that shall see an open test database."""
    url = live_url(config)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": url,
        "TEST_DATABASE": url,
        "PYTHONUNBUFFERED": "1",
    }
