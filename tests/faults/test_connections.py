"""Faults 5 and 16 to 18: a database that is up, whose connections are ended, cut, or fall silent."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.db import InterfaceError, OperationalError, connection

from jobs.models import Attempt, Job
from jobs.states import AttemptStatus, JobStatus
from jobs.worker.processes import boottime
from jobs.worker.supervisor import LAST_TRY

from .. import sample_jobs as sample
from ..postgres import Server
from ..waiting import DEADLINE, wait_until
from ..worker.conftest import (
    StartWorker,
    end_other_connections,
    finished,
    is_gone,
    lines_of,
    pid_in,
)
from .conftest import Figure
from .fault_jobs import Queries
from .scale import pass_time, scaled
from .scene import Scene
from .servers import CuttingProxy, led_to

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def proxy(server: Server, database_env: dict[str, str]) -> Iterator[CuttingProxy]:
    """Stands between workers and the server."""
    with TemporaryDirectory(prefix="jobs-proxy-") as name:
        found = CuttingProxy(Path(name), server.directory)
        url = database_env["DATABASE_URL"].replace(str(server.directory), name)
        database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = url
        yield found
        found.close()


@pytest.mark.timeout(600)
def test_17_connections_that_are_ended_each_second_lose_nothing(
    scene: Scene, figure: Figure
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no connections to end")
    for _ in range(2):
        scene.ready(4)
    seconds = scaled(120, 5)
    jobs = scene.dispatch(seconds * 5, seconds=0.3)
    queries = [Queries(folder=str(scene.folder), seconds=0.3) for _ in range(seconds * 5)]
    jobs += Queries.dispatch_many(queries)
    ended = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended += end_other_connections()
        pass_time(1.0)
    scene.over()
    done = scene.finish(*jobs, deadline=120)
    assert {job.status for job in done} == {JobStatus.COMPLETED}
    cut = outcomes_as_noted(scene)
    assert cut >= 1
    figure(
        f"{ended} connections ended in {seconds} s under {len(jobs)} jobs, {cut} while a job used its own: "
        "lost 0, outcomes wrong 0"
    )


def outcomes_as_noted(scene: Scene) -> int:
    """Check of each attempt that it was recorded as its job saw it end; return how many failed.

    Jobs note their end beside the database. One that notes none has lost its own connection.
    """
    ended = {(one.job, one.attempt) for one in scene.effects("end")}
    attempts = Attempt.objects.filter(started_at__isnull=False)
    for one in attempts:
        is_complete = one.status == AttemptStatus.COMPLETED
        assert is_complete == ((one.job_id, one.number) in ended), one
        assert is_complete or one.error_type in LOST_CONNECTION, (one, one.error_type)
    return attempts.exclude(status=AttemptStatus.COMPLETED).count()


LOST_CONNECTION = {
    f"django.db.utils.{name}" for name in ("OperationalError", "InterfaceError", "InternalError")
}


MOMENTS = {
    "claim": rb"INSERT INTO jobs_attempt",
    "outcome": rb"COMMIT",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.timeout(900)
def test_18_a_connection_cut_before_the_answer_repeats_nothing(
    server: Server,
    proxy: CuttingProxy,
    scene: Scene,
    figure: Figure,
    moment: str,
) -> None:
    worker = scene.ready(2)
    rounds = scaled(50, 4)
    for _ in range(rounds):
        before = proxy.cuts
        proxy.cut(MOMENTS[moment])
        jobs = scene.dispatch(4, seconds=0.05)
        wait_until(lambda n=before: proxy.cuts > n, DEADLINE, scene.story)  # type: ignore[misc]
        for job in scene.finish(*jobs):
            assert (job.status, job.attempts_spent) == (JobStatus.COMPLETED, 1)
    assert worker.process.poll() is None
    figure(f"at {moment}: {proxy.cuts} cuts, duplicates 0, stuck 0")


def test_18_a_dispatch_without_an_answer_is_stored_once_or_not_at_all(
    server: Server, proxy: CuttingProxy, scene: Scene, figure: Figure
) -> None:
    scene.ready()
    stored = []
    rounds = scaled(50, 5)
    for _ in range(rounds):
        before = Job.objects.count()
        with led_to(HOST=str(proxy.folder)):
            connection.ensure_connection()
            proxy.cut(rb"INSERT INTO jobs_job")
            with pytest.raises((OperationalError, InterfaceError)):
                scene.works().dispatch()
        stored.append(Job.objects.count() - before)
    assert set(stored) <= {0, 1}
    scene.finish()
    figure(f"at dispatch: {rounds} cuts, stored once {sum(stored)}, twice 0, caller told each time")


def test_05_a_worker_whose_database_has_fallen_silent_can_be_stopped(
    server: Server, proxy: CuttingProxy, worker: StartWorker, tmp_path: Path, figure: Figure
) -> None:
    drain, log = 2, tmp_path / "log"
    sample.Sleeps(log=str(log), seconds=600).dispatch()
    process = worker("--concurrency", "1", DRAIN_TIMEOUT=drain, LEASE=60)
    (started,) = lines_of(log, 1)
    proxy.swallow()
    told = boottime()
    process.send(signal.SIGTERM)
    code = process.ended(60.0)
    took = boottime() - told
    assert (code, is_gone(pid_in(started))) == (0, True), process.output()
    assert took < drain + LAST_TRY + 15
    figure(f"nothing answers, drain {drain} s: gone after {took:.1f} s")


def test_16_a_connection_that_carries_nothing_any_more_costs_no_attempt(
    server: Server, proxy: CuttingProxy, worker: StartWorker, tmp_path: Path, figure: Figure
) -> None:
    log = tmp_path / "log"
    job = sample.Sleeps(log=str(log), seconds=35).dispatch()
    process = worker("--concurrency", "1", LEASE=40)
    lines_of(log, 1)
    proxy.swallow()
    told = boottime()
    wait_until(lambda: "connection_cut" in process.output(), 60.0, process.output)
    took = boottime() - told
    assert finished(job, 60.0).status == JobStatus.COMPLETED
    assert job.attempts.count() == 1
    figure(f"lease 40 s: another connection after {took:.1f} s, reruns 0")
