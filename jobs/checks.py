"""System checks: what is wrong with the settings, the job classes and the database, and what to do."""

from __future__ import annotations

import dataclasses
import difflib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.management import find_commands
from django.db import connections, router

from . import registry
from .arguments import fields_of
from .conf import PREFIX, TYPES, BadSetting, conf, read
from .job import BackgroundJob
from .lifecycle.schema import too_simple
from .models import Job
from .options import OPTIONS
from .routing import JobsRouter

TAG = "jobs"
COMMAND = "runworker"
WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""First and last version of SQLite in which two connections in WAL mode can corrupt a database."""

READ_COMMITTED = "read committed"
"""Django's default for MySQL, whatever the server's is."""

SQLITE_NEEDS = {
    "transaction_mode is not IMMEDIATE": '"transaction_mode": "IMMEDIATE"',
    "journal_mode is not WAL": "PRAGMA journal_mode=WAL;",
    "synchronous is not NORMAL": "PRAGMA synchronous=NORMAL;",
}
"""What a SQLite database may lack, and what its OPTIONS must say then."""


@register(TAG)
def check_settings(**_: Any) -> list[CheckMessage]:
    """E001, E002, E005: settings with values that cannot be used."""
    found: list[CheckMessage] = []
    for name in TYPES:
        try:
            read(name)
        except BadSetting as error:
            hint = f"Correct {PREFIX}{name} in the settings or in the environment."
            found.append(Error(f"{error}.", hint=hint, id="jobs.E001"))
    if not found and conf.LEASE < 3 * conf.BEAT:
        found.append(
            Error(
                f"{PREFIX}LEASE is {conf.LEASE:g} s, less than three times {PREFIX}BEAT "
                f"({conf.BEAT:g} s): a worker that is late once would be presumed dead.",
                hint=f"Set {PREFIX}LEASE to {3 * conf.BEAT:g} or more, or {PREFIX}BEAT to less.",
                id="jobs.E002",
            )
        )
    if not settings.USE_TZ:
        found.append(
            Error(
                "USE_TZ is False: the times of jobs would be ambiguous.",
                hint="Set USE_TZ = True.",
                id="jobs.E005",
            )
        )
    return found


@register(TAG)
def check_databases_of_queues(**_: Any) -> list[CheckMessage]:
    """E007: databases that are named for jobs, and cannot be used for them."""
    try:
        named = {*(conf.QUEUE_DATABASES or {}).values()}
        if conf.DATABASE:
            named.add(conf.DATABASE)
    except BadSetting:
        return []  # E001 says so.
    unknown = sorted(named - set(settings.DATABASES))
    found = [f"{alias!r} holds jobs, but DATABASES has no such alias." for alias in unknown]
    if named and not any(isinstance(one, JobsRouter) for one in router.routers):
        found.append(
            f"{PREFIX}DATABASE and {PREFIX}QUEUE_DATABASES do nothing without their router."
        )
    hint = 'Name aliases of DATABASES, and set DATABASE_ROUTERS = ["jobs.routing.JobsRouter"].'
    return [Error(message, hint=hint, id="jobs.E007") for message in found]


@register(TAG)
def check_api(**_: Any) -> list[CheckMessage]:
    """E009: an API token without the user whose rights it has."""
    try:
        if conf.API_TOKEN is None or conf.API_USER:
            return []
    except BadSetting:
        return []  # E001 says so.
    message = f"{PREFIX}API_TOKEN is set, but {PREFIX}API_USER names nobody: it opens nothing."
    hint = f"Set {PREFIX}API_USER to the name of a user that has the rights the token shall have."
    return [Error(message, hint=hint, id="jobs.E009")]


@register(TAG)
def check_imports(**_: Any) -> list[CheckMessage]:
    """E003: modules of job classes that could not be imported."""
    return [
        Error(
            f"The jobs of {module} are unknown, because it cannot be imported: {error}.",
            hint=f"`python manage.py shell -c 'import {module}'` shows the traceback.",
            id="jobs.E003",
        )
        for module, error in registry.import_errors.items()
    ]


@register(TAG)
def check_annotations(**_: Any) -> list[CheckMessage]:
    """E004: arguments annotated as something that cannot be stored and brought back."""
    return [
        Error(
            f"{name}: {problem}.",
            hint="Annotate it as JSON, date, datetime, timedelta, Decimal, UUID, Enum, a dataclass "
            "or a model, or collections and Optional of these.",
            obj=cls,
            id="jobs.E004",
        )
        for name, cls in registry.all_classes().items()
        for problem in fields_of(cls).problems()
    ]


@register(TAG)
def check_decoration(**_: Any) -> list[CheckMessage]:
    """E006: job classes that @dataclass has given another constructor."""
    return [
        Error(
            f"{name} is decorated with @dataclass, which replaces its constructor.",
            hint="Remove the decorator: a job class has keyword-only fields by itself.",
            obj=cls,
            id="jobs.E006",
        )
        for name, cls in registry.all_classes().items()
        if dataclasses.is_dataclass(cls)
    ]


@register(TAG)
def check_options(**_: Any) -> list[CheckMessage]:
    """W001: class attributes that look like a misspelt option, and so do nothing."""
    return [
        Warning(
            f"{name} sets {attribute!r}, which is no option of a job class.",
            hint=f"Did you mean {option!r}?",
            obj=cls,
            id="jobs.W001",
        )
        for name, cls in registry.all_classes().items()
        for attribute, option in _near_misses(cls)
    ]


def _near_misses(cls: type[BackgroundJob]) -> Iterator[tuple[str, str]]:
    names = [*OPTIONS, "failed"]
    bases = [base for base in cls.__mro__ if base not in BackgroundJob.__mro__]
    for attribute in sorted({attribute for base in bases for attribute in vars(base)}):
        known = hasattr(BackgroundJob, attribute) or attribute in fields_of(cls).names
        if known or attribute.startswith("_"):
            continue
        if close := difflib.get_close_matches(attribute.lower(), names, n=1, cutoff=0.8):
            yield attribute, close[0]


@register(TAG)
def check_sqlite(**_: Any) -> list[CheckMessage]:
    """W002: a SQLite database without the settings under which workers and web server share it."""
    alias = router.db_for_write(Job)
    if alias not in connections:
        return []  # E007 says so.
    return [
        Warning(
            f"The SQLite database {alias!r} holds the jobs, and its {problem}.",
            hint=f"Say {SQLITE_NEEDS[problem]} in DATABASES[{alias!r}]['OPTIONS'], the PRAGMAs in "
            f"its 'init_command'. `{COMMAND}` does not start without.",
            id="jobs.W002",
        )
        for problem in sqlite_problems(alias)
    ]


def sqlite_problems(alias: str) -> list[str]:
    """Return what the settings of a SQLite database lack for a job queue; nothing for others.

    Each is a key of `SQLITE_NEEDS`. Reads the settings only, and opens no connection.
    """
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return []
    options = connection.settings_dict.get("OPTIONS", {})
    pragmas = re.sub(r"\s", "", str(options.get("init_command", ""))).upper()
    kept = (
        str(options.get("transaction_mode", "")).upper() == "IMMEDIATE",
        re.search(r"JOURNAL_MODE[=(]['\"]?WAL\b", pragmas) is not None,
        re.search(r"SYNCHRONOUS[=(](NORMAL|1)\b", pragmas) is not None,
    )
    return [problem for problem, holds in zip(SQLITE_NEEDS, kept, strict=True) if not holds]


@register(TAG, deploy=True)
def check_sqlite_library(**_: Any) -> list[CheckMessage]:
    """W003: an SQLite library with a bug that can corrupt databases in WAL mode."""
    first, last = WAL_RESET_BUG
    alias = router.db_for_write(Job)
    if alias not in connections or connections[alias].vendor != "sqlite":
        return []
    if not first <= sqlite3.sqlite_version_info <= last:
        return []
    return [
        Warning(
            f"SQLite {sqlite3.sqlite_version} can, rarely, corrupt a database in WAL mode that "
            f"several processes write.",
            hint="Use a Python linked with SQLite 3.51.3 or newer, or PostgreSQL; never set "
            "PRAGMA mmap_size.",
            id="jobs.W003",
        )
    ]


@register(TAG)
def check_isolation(**_: Any) -> list[CheckMessage]:
    """W006: a MySQL database whose transactions lock the gaps between rows."""
    alias = router.db_for_write(Job)
    if alias not in connections or connections[alias].vendor != "mysql":
        return []
    options = connections[alias].settings_dict.get("OPTIONS", {})
    level = options.get("isolation_level", READ_COMMITTED)
    if str(level).lower() == READ_COMMITTED:
        return []
    return [
        Warning(
            f"The database {alias!r} holds the jobs, and its isolation_level is {level!r}: "
            "claims would block dispatches, and end in deadlocks.",
            hint=f"Leave isolation_level out of its OPTIONS, or set it to {READ_COMMITTED!r}.",
            id="jobs.W006",
        )
    ]


@register(TAG, Tags.database)
def check_server(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E008: a MySQL or MariaDB server without SKIP LOCKED; asked only with `--database`."""
    alias = router.db_for_write(Job)
    if alias not in (databases or ()) or not (problem := too_simple(connections[alias])):
        return []
    hint = "Update the server, or keep the jobs in another database."
    return [Error(f"{problem[0].upper()}{problem[1:]}.", hint=hint, id="jobs.E008")]


@register(TAG, deploy=True)
def check_debug(**_: Any) -> list[CheckMessage]:
    """W004: DEBUG, under which every process remembers each query it makes."""
    if not settings.DEBUG:
        return []
    return [
        Warning(
            "DEBUG is on: job processes keep every query in memory.",
            hint="Set DEBUG = False where workers run for long.",
            id="jobs.W004",
        )
    ]


@register(TAG)
def check_command(**_: Any) -> list[CheckMessage]:
    """W005: another app whose `runworker` hides ours."""
    for config in _apps_before_ours():
        if COMMAND in find_commands(str(Path(config.path, "management"))):
            return [
                Warning(
                    f"`manage.py {COMMAND}` is that of {config.name}, because it stands before "
                    f"{__package__} in INSTALLED_APPS.",
                    hint=f"Put {__package__!r} before {config.name!r} in INSTALLED_APPS.",
                    id="jobs.W005",
                )
            ]
    return []


def _apps_before_ours() -> Sequence[AppConfig]:
    configs = list(apps.get_app_configs())
    names = [config.name for config in configs]
    return configs[: names.index(__package__ or "")]
