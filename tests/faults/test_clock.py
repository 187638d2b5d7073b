"""Fault 35, the other way round: the clock of the database is set while workers live by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from jobs.models import Worker
from jobs.states import WorkerStatus

from .. import sample_jobs as sample
from ..pgbouncer import not_through_it
from ..waiting import wait_until
from ..worker.conftest import StartWorker, WorkerProcess, lines_of, only_attempt
from .conftest import Figure
from .scale import scaled

pytestmark = pytest.mark.usefixtures("live_database")
LEASE = 6
CLOCK = """
CREATE SCHEMA clock;
CREATE TABLE clock.late (seconds int);
INSERT INTO clock.late VALUES (0);
CREATE FUNCTION clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$SELECT pg_catalog.statement_timestamp() + seconds * interval '1 second' FROM clock.late$$;
"""


@pytest.fixture
def clock(live_database: None) -> Iterator[None]:
    """Give the test's database a clock of its own, for sessions that begin from now on."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL lets us have a clock of our own")
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(CLOCK)
        cursor.execute(f'ALTER DATABASE "{name}" SET search_path = public, clock, pg_catalog')
        yield
        cursor.execute(f'ALTER DATABASE "{name}" RESET search_path')
        cursor.execute("DROP SCHEMA clock CASCADE")


def step(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE clock.late SET seconds = seconds + %s", [seconds])


def leases() -> dict[object, object]:
    return dict(Worker.objects.values_list("pk", "lease_expires_at"))


def until_all_have_renewed(processes: list[WorkerProcess]) -> None:
    before = leases()
    wait_until(
        lambda: all(before[pk] != lease for pk, lease in leases().items()),
        message=lambda: "\n".join(one.output() for one in processes),
    )


@not_through_it("its sessions have begun before")
def test_35_a_clock_that_is_set_forward_makes_no_live_worker_dead(
    clock: None, worker: StartWorker, tmp_path: Path, figure: Figure
) -> None:
    log = tmp_path / "log"
    job = sample.Sleeps(log=str(log), seconds=600).dispatch()
    processes = [worker("--concurrency", "1", LEASE=LEASE, BEAT=1) for _ in range(3)]
    lines_of(log, 1)
    wait_until(lambda: Worker.objects.count() == len(processes), message="all are there")
    for _ in range(LEASE + 1):  # Until each has been there for a lease: none judges others sooner.
        until_all_have_renewed(processes)
    steps = scaled(20, 6)
    for _ in range(steps):
        step(3600)
        until_all_have_renewed(processes)
        until_all_have_renewed(processes)
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    assert only_attempt(job).status == "running"
    assert len(log.read_text().splitlines()) == 1
    assert any("clock_was_set" in one.output() for one in processes)
    figure(f"clock of the database +1 h, {steps} times: wrong rescues 0")
