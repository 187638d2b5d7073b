"""Databases of a run's own: made once with their schema, and empty again for every measurement."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

VENDORS = ("sqlite", "postgresql")
DURABLE = {"listen_addresses": "", "max_connections": "200", "shared_buffers": "128MB"}
"""Settings of the server that is brought along: those of a new installation, fsync included."""


class Database(Protocol):
    vendor: str
    url: str

    def prepare(self, migrate: Callable[[], object]) -> None:
        """Make it, have `migrate()` write its schema, and keep that as the template."""

    def reset(self) -> None:
        """Empty it. Nobody of ours may be connected."""

    def remove(self) -> None:
        """Remove it and its template."""


class SQLiteDatabase:
    """A file on the disk of temporary files."""

    vendor = "sqlite"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobs-bench-"))
        self.file, self.template = self.folder / "jobs.sqlite3", self.folder / "template"
        self.url = f"sqlite:///{self.file}"

    def prepare(self, migrate: Callable[[], object]) -> None:
        migrate()
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.file, self.template)

    def reset(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.file}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.template, self.file)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


class PostgreSQLDatabase:
    """A database of its own name on a server."""

    vendor = "postgresql"

    def __init__(self, server: str) -> None:
        self.server = server
        self.name = f"jobs_bench_{uuid.uuid4().hex[:8]}"
        self.template = f"{self.name}_template"
        self.url = urlsplit(server)._replace(path=f"/{self.name}").geturl()

    def prepare(self, migrate: Callable[[], object]) -> None:
        self._execute("CREATE DATABASE {}", self.name)
        migrate()
        self._execute("CREATE DATABASE {} TEMPLATE {}", self.template, self.name)

    def reset(self) -> None:
        self._drop(self.name)
        self._execute("CREATE DATABASE {} TEMPLATE {}", self.name, self.template)

    def remove(self) -> None:
        self._drop(self.name)
        self._drop(self.template)

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def open_database(vendor: str) -> Database:
    """Return a database of this vendor, still without its schema."""
    return SQLiteDatabase() if vendor == "sqlite" else PostgreSQLDatabase(postgresql_server())


def postgresql_server() -> str:
    """Return the URL of `BENCH_POSTGRES_URL`, or of a server that lives as long as this process."""
    if not os.environ.get("BENCH_POSTGRES_URL"):
        from tests.postgres import start_postgres

        os.environ["BENCH_POSTGRES_URL"] = start_postgres(DURABLE)
    return os.environ["BENCH_POSTGRES_URL"]
