"""Faults 19 to 24: databases that are locked, crowded, large, bloated, pooled or full."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from jobs.lifecycle import claiming
from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt, Job, Queue
from jobs.states import JobStatus

from ..factories import make_worker
from ..pgbouncer import pgbouncer, program
from ..waiting import DEADLINE, wait_until
from ..worker.conftest import terminate
from .conftest import Figure
from .invariants import kept
from .scale import nightly, pass_time, scaled
from .scene import Scene
from .servers import led_to

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.mark.timeout(300)
def test_19_a_database_locked_by_somebody_else_is_waited_for(scene: Scene, figure: Figure) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite is locked as a whole")
    locked = scaled(10, 3)
    worker = scene.ready(4, LEASE=60, BEAT=2)
    jobs = scene.dispatch(40, seconds=0.2, writes=True)
    scene.started(jobs[:1])
    lock(locked)
    scene.over()
    done = scene.finish(*jobs)
    assert {(job.status, job.attempts_made) for job in done} == {(JobStatus.COMPLETED, 1)}
    assert Queue.objects.filter(name__startswith="written by").count() == len(jobs)
    assert worker.process.poll() is None
    figure(f"locked {locked} s under 40 jobs: errors that reached a job 0, reruns 0")


def lock(seconds: float) -> None:
    """Let nobody else write for so long: SQLite has one lock for all."""
    with transaction.atomic():
        Queue.objects.create(name="written while locked")
        pass_time(seconds)


@nightly
@pytest.mark.timeout(600)
def test_19_a_lock_longer_than_the_lease_costs_nothing_either(scene: Scene, figure: Figure) -> None:
    """Nobody else could have taken these jobs over meanwhile: there is one machine, and one lock."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite is locked as a whole")
    lease, locked = scaled(60, 12), scaled(90, 18)
    worker = scene.ready(4, LEASE=lease, BEAT=lease / 8)
    jobs = scene.dispatch(4, seconds=locked + 2)
    scene.started(jobs)
    lock(locked)
    scene.over()
    done = scene.finish(*jobs)
    assert {(job.status, job.attempts_made) for job in done} == {(JobStatus.COMPLETED, 1)}
    assert worker.process.poll() is None
    figure(f"locked {locked} s with a lease of {lease} s: reruns 0, no job ended")


@pytest.mark.timeout(600)
def test_20_workers_race_for_jobs_and_none_runs_twice(scene: Scene, figure: Figure) -> None:
    count, workers = scaled(5000, 300), scaled(8, 3)
    for _ in range(workers):
        scene.ready(2)
    began = time.monotonic()
    jobs = scene.dispatch(count)
    scene.finish(*jobs, deadline=300)
    took = time.monotonic() - began
    assert Attempt.objects.count() == count
    logged = "".join(one.output() for one in scene.workers)
    assert "deadlock" not in logged.lower()
    figure(f"{workers} workers, {count} jobs: claimed twice 0, {count / took:,.0f} jobs/s")


def fill(count: int) -> None:
    """Store so many due jobs."""
    for start in range(0, count, 10_000):
        Job.objects.bulk_create(
            Job(
                job_class="tests.Works",
                status=JobStatus.QUEUED,
                run_at="2026-01-01T00:00Z",
                created_at="2026-01-01T00:00Z",
                arguments={"folder": "nowhere"},
                max_attempts=1,
            )
            for _ in range(min(10_000, count - start))
        )


def claim_times(rounds: int) -> list[float]:
    """Claim eight jobs so many times; return the milliseconds each claim took."""
    engine, worker = engine_for(), make_worker().pk
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        with transaction.atomic():
            assert claiming.claim(engine, worker, ["default"], 8, 0, ())
        took.append((time.perf_counter() - began) * 1000)
    return took


def claim_from_some() -> float:
    """Return the median of claims among 500 due jobs; no worker may take any of them meanwhile."""
    fill(500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
    took = median(claim_times(30))
    Job.objects.filter(arguments={"folder": "nowhere"}).delete()
    return took


@nightly
@pytest.mark.timeout(1800)
def test_21_a_claim_is_as_quick_from_a_large_backlog(scene: Scene, figure: Figure) -> None:
    figures = []
    for count in (scaled(100_000, 1000), scaled(1_000_000, 10_000)):
        fill(count - Job.objects.count())
        took = claim_times(100)
        figures.append((count, median(took), quantiles(took, n=100)[-1]))
    with transaction.atomic():  # Nobody could run them: they are made up.
        for rows in (Attempt.objects.all(), Job.objects.all()):
            rows._raw_delete(rows.db)
    assert figures[1][1] < figures[0][1] * 3 + 5
    figure("; ".join(f"{n:,} due: claim p50 {a:.1f} ms, p99 {b:.1f} ms" for n, a, b in figures))


@nightly
@pytest.mark.timeout(3600)
def test_22_an_old_snapshot_slows_claims_down_but_stops_nothing(
    scene: Scene, figure: Figure
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL keeps dead rows for old snapshots")
    before = claim_from_some()
    with closing(connections.create_connection("default")) as other, other.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM jobs_job")
        worker = scene.ready(4)
        end = time.monotonic() + scaled(1800, 10)
        while time.monotonic() < end:
            scene.finish(*scene.dispatch(200))
        terminate(worker)
        after = claim_from_some()
        cursor.execute("SELECT sum(n_dead_tup) FROM pg_stat_user_tables")
        dead = cursor.fetchone()[0]
        told = engine_for().oldest_snapshot() or timedelta(0)
        cursor.execute("ROLLBACK")
    scene.ready(4)
    assert told.total_seconds() >= scaled(1800, 10)
    assert after < 10 * before + 50
    figure(
        f"claim p50 {before:.1f} ms before, {after:.1f} ms after {scaled(1800, 10)} s "
        f"with {dead:,} dead rows kept"
    )


def test_23_pgbouncer_in_front_changes_nothing(
    database_env: dict[str, str], request: pytest.FixtureRequest, figure: Figure
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PgBouncer speaks for PostgreSQL")
    settings = connection.settings_dict
    place = settings["HOST"] or settings.get("OPTIONS", {}).get("host", "/var/run/postgresql")
    upstream = Path(str(place))
    if not upstream.is_dir():
        pytest.skip("the server of this run listens on no socket")
    if program() is None:
        pytest.skip("Debian's pgbouncer is not installed")
    with TemporaryDirectory(prefix="jobs-pgb-") as folder, pgbouncer(Path(folder), upstream):
        url = f"postgresql://postgres@/{settings['NAME']}?host={folder}"
        database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = url
        scene: Scene = request.getfixturevalue("bare_scene")
        with kept(scene):
            works_through(scene)
        for worker in scene.live():
            worker.stop()
    figure("60 jobs, a cancel, a killed process, a killed worker: as without it")


def works_through(scene: Scene) -> None:
    first = scene.ready(2, LISTEN=0)
    scene.ready(2, LISTEN=0)
    jobs = scene.dispatch(60, seconds=0.05)
    (stopped,) = scene.dispatch(1, seconds=600)
    (started,) = scene.started([stopped])
    stopped.cancel()
    (rerun,) = scene.dispatch(1, seconds=600, once=True)
    (started,) = scene.started([rerun])
    os.kill(started.pid, 9)
    scene.finish(*jobs, stopped, rerun)
    (again,) = scene.dispatch(1, seconds=2)
    scene.started([again])
    first.process.kill()
    scene.over()
    scene.finish(again)
    logged = "".join(one.output() for one in scene.workers)
    assert "prepared statement" not in logged
    assert "database_unreachable" not in logged


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of a few megabytes."""
    with TemporaryDirectory(prefix="jobs-disk-") as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", name], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("no file system may be mounted here")
        yield Path(name)
        subprocess.run(["umount", "-l", name], check=True)


def test_24_a_worker_waits_for_a_disk_that_is_full(
    small_disk: Path,
    live_database: None,
    database_env: dict[str, str],
    request: pytest.FixtureRequest,
    figure: Figure,
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the disk of a server is its own concern; the error it sends is an outage")
    path = small_disk / "jobs.sqlite3"
    with led_to(NAME=str(path)):
        call_command("migrate", verbosity=0)
        database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = f"sqlite:///{path}"
        scene: Scene = request.getfixturevalue("bare_scene")
        with kept(scene):
            worker = scene.ready(2, LEASE=60)
            jobs = scene.dispatch(4, seconds=3)
            scene.started(jobs[:2])
            fill_up(small_disk / "filler")
            lines = len(worker.output().splitlines())
            wait_until(lambda: "database_unreachable" in worker.output(), DEADLINE, worker.output)
            pass_time(3.0)
            said = len(worker.output().splitlines()) - lines
            (small_disk / "filler").unlink()
            scene.over()
            done = scene.finish(*jobs)
            assert {(job.status, job.attempts_made) for job in done} == {(JobStatus.COMPLETED, 1)}
            assert worker.process.poll() is None
        worker.stop()
    assert said <= 5
    figure(f"full for 3 s: failed jobs 0, reruns 0, {said} lines of our own")


def fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
