"""Databases by name, kept from one run to the next: millions of rows take minutes to write."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..databases import MYSQL_HERE, VENDORS
from ..session import ROOT

if TYPE_CHECKING:
    from datetime import timedelta

SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"
FOLDER = ROOT / "bench" / "results"
JOBS = 5_000_000

__all__ = ["FOLDER", "JOBS", "VENDORS", "Store", "prepare"]


@dataclass(frozen=True)
class Store:
    """A database of `jobs` finished jobs, whose name tells how many."""

    vendor: str
    jobs: int = JOBS
    folder: Path = FOLDER
    """Where the files of SQLite are."""

    @property
    def name(self) -> str:
        return "bench_pages" if self.jobs == JOBS else f"bench_pages_{self.jobs}"

    @property
    def url(self) -> str:
        if self.vendor == "sqlite":
            return f"sqlite:///{self.folder / self.name}.sqlite3"
        return urlsplit(self.server)._replace(path=f"/{self.name}").geturl()

    @property
    def server(self) -> str:
        """The URL of the server it is on; a server of this run alone would forget it."""
        if self.vendor == "mysql":
            return os.environ.get("BENCH_MYSQL_URL") or MYSQL_HERE
        return os.environ.get("BENCH_POSTGRES_URL") or SERVER

    def create(self) -> None:
        """Make it, empty, unless it is there."""
        if self.vendor == "sqlite":
            self.folder.mkdir(parents=True, exist_ok=True)
        elif self.vendor == "mysql":
            from ..databases import MySQLDatabase

            made = f"CREATE DATABASE IF NOT EXISTS {self.name} CHARACTER SET utf8mb4"
            MySQLDatabase(self.server)._execute(made)
        else:
            self._create_on_postgresql()

    def _create_on_postgresql(self) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.name])
            if found.fetchone() is None:
                connection.execute(f"CREATE DATABASE {self.name}")


def prepare(store: Store) -> None:
    """Have the schema and the jobs in the database that Django is set up for."""
    from django.core.management import call_command

    from jobs.models import Job

    call_command("migrate", verbosity=0)
    if not Job.objects.exists():
        _fill(store)
    # The fixture numbers its jobs without gaps, and one that was interrupted has fewer.
    if not Job.objects.filter(pk=store.jobs).exists():
        raise SystemExit(f"{store.name} on {store.vendor} is not complete: drop it, and begin anew")
    if (age := _age()).days:
        print(f"{store.name} on {store.vendor} is {age.days} days old", file=sys.stderr)


def _fill(store: Store) -> None:
    from ..fixture import fill, look_through

    print(f"{store.vendor}: {store.jobs:,} jobs …", file=sys.stderr, flush=True)
    start = time.monotonic()
    fill(store.jobs)
    look_through()
    print(f"{store.vendor}: … in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def _age() -> timedelta:
    """Return how long ago the last of the finished jobs was dispatched."""
    from django.utils import timezone

    from jobs.models import Job

    return timezone.now() - Job.objects.filter(status="completed").order_by("-pk")[0].created_at
