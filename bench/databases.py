"""Databases of a run's own: made once with their schema, and empty again for every measurement."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

VENDORS = ("sqlite", "postgresql", "mysql")
MYSQL_HERE = "mysql://root@127.0.0.1:3306/"
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


class MySQLDatabase:
    """A database of its own name on a MySQL or MariaDB server, which has no templates to copy."""

    vendor = "mysql"

    def __init__(self, server: str) -> None:
        self.parts = urlsplit(server)
        self.name = f"jobs_bench_{uuid.uuid4().hex[:8]}"
        self.url = self.parts._replace(path=f"/{self.name}").geturl()
        self.tables: list[str] = []

    def prepare(self, migrate: Callable[[], object]) -> None:
        self._execute(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")
        migrate()
        self.tables = [str(name) for (name,) in self._execute(f"SHOW TABLES FROM {self.name}")]

    def reset(self) -> None:
        kept = {"django_migrations", "django_content_type", "auth_permission"}
        emptied = [f"TRUNCATE {self.name}.{name}" for name in self.tables if name not in kept]
        self._execute("SET foreign_key_checks = 0", *emptied)

    def remove(self) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {self.name}")

    def _execute(self, *statements: str) -> Sequence[tuple[Any, ...]]:
        """Run statements, and return the rows of the last."""
        import MySQLdb

        found: Sequence[tuple[Any, ...]] = ()
        at = self.parts
        given = (at.hostname, at.port, at.username, at.password)
        known = zip(("host", "port", "user", "password"), given, strict=True)
        named: dict[str, Any] = {name: value for name, value in known if value}
        with (
            closing(MySQLdb.connect(**named)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
                found = cursor.fetchall()
        return found


def open_database(vendor: str) -> Database:
    """Return a database of this vendor, still without its schema."""
    if vendor == "mysql":
        return MySQLDatabase(os.environ.get("BENCH_MYSQL_URL") or MYSQL_HERE)
    return SQLiteDatabase() if vendor == "sqlite" else PostgreSQLDatabase(postgresql_server())


def postgresql_server() -> str:
    """Return the URL of `BENCH_POSTGRES_URL`, or of a server that lives as long as this process."""
    if not os.environ.get("BENCH_POSTGRES_URL"):
        from tests.postgres import start_postgres

        os.environ["BENCH_POSTGRES_URL"] = start_postgres(DURABLE)
    return os.environ["BENCH_POSTGRES_URL"]
