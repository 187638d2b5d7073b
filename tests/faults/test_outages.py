"""Faults 14 to 18: a PostgreSQL that crashes, goes away, or loses its connections."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from jobs.models import Attempt, Job
from jobs.states import AttemptStatus, JobStatus, Reason
from jobs.worker.processes import boottime

from ..postgres import Server
from ..waiting import wait_until
from .conftest import Figure
from .scale import pass_time, scaled
from .scene import Scene, patiently
from .servers import CRASHABLE, CuttingProxy, led_to, own_database

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture(scope="module")
def machine() -> Server:
    return Server(CRASHABLE)


@pytest.fixture
def server(live_database: None, machine: Server, database_env: dict[str, str]) -> Iterator[Server]:
    """A server this test may stop; it holds the test's database. To be named before `scene`."""
    if connection.vendor != "postgresql":
        pytest.skip("only a server goes away; SQLite's outage is fault 19")
    with own_database(machine, database_env):
        yield machine


def outcomes(jobs: list[Job]) -> int:
    found = Attempt.objects.filter(job__in=jobs, status=AttemptStatus.COMPLETED)
    return patiently(found.count) or 0


@pytest.mark.timeout(1800)
def test_14_a_server_that_crashes_again_and_again_loses_nothing(
    server: Server, scene: Scene, figure: Figure
) -> None:
    workers = [scene.ready(4) for _ in range(2)]
    jobs = scene.dispatch(scaled(2000, 80), seconds=0.2)
    connection.close()
    claims: list[float] = []
    for _ in range(scaled(27, 3)):
        pass_time(random.uniform(scaled(5, 1), scaled(40, 2)))
        server.stop("immediate")
        server.start()
        up_at, begun = boottime(), len(scene.effects("start"))
        if begun < len(jobs):
            wait_until(lambda n=begun: len(scene.effects("start")) > n, 30.0, scene.story)  # type: ignore[misc]
            claims.append(boottime() - up_at)
    scene.finish(*jobs, deadline=120)
    assert all(one.process.poll() is None for one in workers)
    figure(
        f"{len(jobs)} jobs, {scaled(27, 3)} crashes: lost 0, worker exits 0, "
        f"from up to the next start {max(claims, default=0):.1f} s at most"
    )


@pytest.mark.timeout(300)
def test_15_outcomes_wait_for_a_server_that_is_away(
    server: Server, scene: Scene, figure: Figure
) -> None:
    away = scaled(30, 3)
    worker = scene.ready(20, LEASE=max(60, away * 2), BEAT=2)
    jobs = scene.dispatch(20, seconds=away / 2)
    scene.started(jobs)
    connection.close()
    server.stop()
    pass_time(away)
    assert len(scene.effects("end")) == len(jobs)
    server.start()
    up_at = boottime()
    wait_until(lambda: outcomes(jobs) == len(jobs), 20.0, scene.story)
    took = boottime() - up_at
    assert patiently(Attempt.objects.filter(job__in=jobs).count) == len(jobs)
    assert worker.process.poll() is None
    figure(f"away {away} s: reruns 0/20, all 20 outcomes {took:.1f} s after its return")
    assert took <= 5.0


@pytest.mark.timeout(1200)
def test_16_an_outage_longer_than_the_lease_ends_jobs_once(
    server: Server, scene: Scene, figure: Figure
) -> None:
    lease = scaled(60, 4)
    away = scaled(300, lease * 2)
    settings: Any = {"LEASE": lease, "BEAT": lease / 8}
    for _ in range(2):
        scene.ready(5, **settings)
    jobs = scene.dispatch(10, seconds=away * 2, once=True)
    begun = scene.started(jobs)
    connection.close()
    server.stop()
    down_at = boottime()
    wait_until(lambda: not any(one.lives() for one in begun), lease + 5.0, "the fuse has blown")
    fenced = boottime() - down_at
    pass_time(away - fenced)
    server.start()
    scene.finish(*jobs, deadline=lease * 3 + 30)
    most = max(Job.objects.values_list("attempts_made", flat=True))
    assert most <= 2
    assert not Attempt.objects.filter(reason=Reason.WORKER_LOST).exists()
    assert set(Job.objects.filter(pk__in=[j.pk for j in jobs]).values_list("attempts_spent")) == {
        (1,)
    }
    figure(f"away {away} s, lease {lease} s: ended after {fenced:.1f} s, rescues by others 0")


@pytest.mark.timeout(600)
def test_17_connections_that_are_ended_each_second_lose_nothing(
    scene: Scene, figure: Figure
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no connections to end")
    for _ in range(2):
        scene.ready(4)
    seconds = scaled(120, 5)
    jobs = scene.dispatch(seconds * 10, seconds=0.3)
    ended = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended += end_connections()
        pass_time(1.0)
    done = scene.finish(*jobs, deadline=120)
    assert {job.status for job in done} == {JobStatus.COMPLETED}
    figure(f"{ended} connections ended in {seconds} s under {len(jobs)} jobs: lost 0")


def end_connections() -> int:
    """End every other session of this database, and return how many there were."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return len(cursor.fetchall())
        cursor.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = database() AND id <> connection_id()"
        )
        found = [pid for (pid,) in cursor.fetchall()]
        for pid in found:
            end_one(cursor, pid)
        return len(found)


def end_one(cursor: object, pid: int) -> None:
    with suppress(OperationalError):  # It has just ended by itself.
        cursor.execute(f"KILL {pid}")  # type: ignore[attr-defined]


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
        wait_until(lambda n=before: proxy.cuts > n, 30.0, scene.story)  # type: ignore[misc]
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


@pytest.fixture
def proxy(server: Server, database_env: dict[str, str]) -> Iterator[CuttingProxy]:
    """Stands between workers and the server."""
    with TemporaryDirectory(prefix="jobs-proxy-") as name:
        found = CuttingProxy(Path(name), server.directory)
        url = database_env["DATABASE_URL"].replace(str(server.directory), name)
        database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = url
        yield found
        found.close()
