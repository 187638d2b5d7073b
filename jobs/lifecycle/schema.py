"""Whether the database has the tables this version of the code was written for."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import NamedTuple

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from ..models import Job

APP = Job._meta.app_label
NAMES = "SELECT name FROM django_migrations WHERE app = %s"


class NotMigrated(DatabaseError):
    """The tables are older than the code; its text says what to do."""


class Schema(NamedTuple):
    """What tells a database and this code apart: names of migrations, in order."""

    missing: list[str]
    unknown: list[str]
    """Applied by a newer version of the code."""


def compare(connection: BaseDatabaseWrapper) -> Schema:
    """Return how the migrations of a database differ from those of this code."""
    here = _migrations()
    recorder = MigrationRecorder(connection)
    if here is None:
        return Schema([], [])
    there: set[str] = set()
    if recorder.has_table():
        # Not by a queryset: that would use, and leave open, the connection of this alias.
        with connection.cursor() as cursor:
            cursor.execute(NAMES, [APP])
            there = {name for (name,) in cursor.fetchall()}
    return Schema(sorted(here - there), sorted(there - here))


def too_simple(connection: BaseDatabaseWrapper) -> str:
    """Return the sentence about a MySQL or MariaDB server that is too old for claims."""
    if connection.vendor != "mysql" or connection.features.has_select_for_update_skip_locked:
        return ""
    return (
        f"the server of the database {connection.alias!r} has no SKIP LOCKED, with which workers "
        "share a queue: MySQL 8.0.1 or MariaDB 10.6 is needed"
    )


def too_old(connection: BaseDatabaseWrapper, missing: list[str]) -> str:
    """Return the sentence about a database that lacks migrations."""
    return (
        f"the database {connection.alias!r} is not migrated for this version: "
        f"{', '.join(missing)} of {APP!r} not applied; run `manage.py migrate`"
    )


def too_new(connection: BaseDatabaseWrapper, unknown: list[str]) -> str:
    """Return the sentence about a database that a newer version has migrated."""
    return (
        f"the database {connection.alias!r} was migrated by a newer version: "
        f"{', '.join(unknown)} of {APP!r} is unknown here; update this machine"
    )


def why_unusable(connection: BaseDatabaseWrapper) -> str:
    """Return why a worker cannot begin on a database; empty where it can."""
    if reason := too_simple(connection):
        return reason
    schema = compare(connection)
    if schema.missing:
        return too_old(connection, schema.missing)
    return too_new(connection, schema.unknown) if schema.unknown else ""


def require_tables(connection: BaseDatabaseWrapper) -> None:
    """Raise NotMigrated where the database lacks what this code reads and writes.

    One that is newer is let pass: migrations keep workers of the version before running.
    """
    if missing := compare(connection).missing:
        raise NotMigrated(too_old(connection, missing))


def _migrations() -> set[str] | None:
    """Return the names of the migrations on disk; None where the project has switched them off."""
    name, _ = MigrationLoader.migrations_module(APP)
    if name is None:
        return None
    found = pkgutil.iter_modules(import_module(name).__path__)
    return {module.name for module in found if module.name[0] not in "_~"}
