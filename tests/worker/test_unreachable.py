"""A worker that is told to stop while nobody can tell the database anything."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from django.db import connection

from jobs.models import Attempt
from jobs.states import JobStatus
from jobs.worker.processes import resident
from jobs.worker.supervisor import LAST_TRY

from .. import sample_jobs as sample
from ..pgbouncer import not_through_it
from ..waiting import DEADLINE, wait_until
from . import stubborn_jobs as stubborn
from .conftest import StartWorker, finished, is_gone, lines_of, pid_in

pytestmark = pytest.mark.usefixtures("live_database")
DRAIN = 2.0
MIB = 1024 * 1024
ON_TOP = 15.0
"""Seconds: one wait for SQLite's lock, and what a loaded machine takes to end the processes."""


@contextmanager
def away() -> Iterator[None]:
    """Keep the database from everybody but this process's own connection."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
    elif connection.vendor == "postgresql":
        name = connection.settings_dict["NAME"]
        with connection.cursor() as ours, connection._nodb_cursor() as cursor:
            ours.execute("SELECT pg_backend_pid()")
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> %s",
                [name, ours.fetchone()[0]],
            )
            try:
                yield
            finally:
                cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    else:
        pytest.skip("MySQL cannot refuse one database alone")


@not_through_it("the one connection that stays open is shared")
def test_told_to_stop_while_a_failure_cannot_be_recorded_it_leaves_in_time(
    worker: StartWorker, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    job = stubborn.FailsWhenTold(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", DRAIN_TIMEOUT=DRAIN, LEASE=60)
    (started,) = lines_of(log, 1)
    with away():
        go.touch()
        wait_until(lambda: "attempt_failed" in process.output(), DEADLINE, process.output)
        told = time.monotonic()
        process.send(signal.SIGTERM)
        code = process.ended(60.0)
        took = time.monotonic() - told
        assert "ledger_gave_up unwritten=1" in process.output(), process.output()
    assert (code, is_gone(pid_in(started))) == (0, True)
    assert took < DRAIN + LAST_TRY + ON_TOP
    worker(LEASE=60)
    assert finished(job).status == JobStatus.FAILED
    wait_until(lambda: "failed" in log.read_text(), message="its hook has run")


@not_through_it("the one connection that stays open is shared")
def test_output_that_cannot_be_stored_is_kept_within_its_limit(worker: StartWorker) -> None:
    jobs = [sample.Floods(mebibytes=1_000_000).dispatch() for _ in range(16)]
    process = worker("--concurrency", "16", LEASE=120, BEAT=1)
    begun = Attempt.objects.filter(started_at__isnull=False)
    wait_until(lambda: begun.count() == len(jobs), message="all have begun")
    with away():
        wait_until(lambda: "database_unreachable" in process.output(), message=process.output)
        before, read = resident(process.pid), bytes_read(process.pid)
        wait_until(lambda: bytes_read(process.pid) - read > 1024 * MIB, DEADLINE)
        grown = resident(process.pid) - before
    for job in jobs:
        job.cancel()
    assert grown < 20 * MIB
    assert all(finished(job).status == JobStatus.CANCELLED for job in jobs)


def bytes_read(pid: int) -> int:
    """Return how much a process has read so far, from pipes as well."""
    found: int = psutil.Process(pid).io_counters().read_chars
    return found
