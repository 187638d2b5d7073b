"""Faults 33 to 35: retries by many at once, of many at once, and a clock that is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from jobs.models import Attempt, Job, Worker
from jobs.states import JobStatus, WorkerStatus

from ..worker.conftest import ROOT
from .conftest import Figure
from .fault_jobs import Dies, Fails
from .scale import nightly, scaled
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")
PRESSES = 20


def press(pk: int) -> bool:
    """Retry a job on a connection of this thread."""
    try:
        return Job.objects.get(pk=pk).retry()
    finally:
        connection.close()


def test_33_twenty_retries_make_one_attempt(scene: Scene, figure: Figure) -> None:
    scene.ready()
    rounds = scaled(20, 2)
    for _ in range(rounds):
        (job,) = scene.finish(Dies(folder=str(scene.folder), how="exit 3").dispatch())
        before = job.attempts.count()
        with ThreadPoolExecutor(PRESSES) as pool:
            moved = list(pool.map(press, [job.pk] * PRESSES))
        scene.finish(job)
        # Later presses may find it failed anew; each that moved it has its attempt, no other.
        assert job.attempts.count() == before + sum(moved)
    figure(f"{rounds} rounds of {PRESSES} presses: one attempt for each that moved the job")


def test_33_twenty_retries_of_a_job_that_waits_move_it_once(scene: Scene, figure: Figure) -> None:
    scene.ready()
    (job,) = scene.finish(Dies(folder=str(scene.folder), how="exit 3").dispatch())
    for worker in scene.live():
        worker.stop()
    with ThreadPoolExecutor(PRESSES) as pool:
        moved = list(pool.map(press, [job.pk] * PRESSES))
    assert Counter(moved) == {True: 1, False: PRESSES - 1}
    scene.ready()
    scene.finish(job)
    assert job.attempts.count() == 2
    figure(f"{PRESSES} presses: moved 1, new attempts 1")


def test_33_the_command_says_what_cannot_be_retried(
    scene: Scene, database_env: dict[str, str], figure: Figure
) -> None:
    scene.ready()
    (job,) = scene.dispatch(1, waits=True)
    scene.started([job])
    answer = subprocess.run(
        [sys.executable, "manage.py", "retry", str(job.pk)],
        cwd=ROOT,
        env=database_env,
        capture_output=True,
        text=True,
    )
    scene.go()
    assert answer.returncode == 1
    assert "running" in answer.stderr
    assert scene.finish(job)[0].attempts_made == 1
    figure("retry of a running job is refused in words")


@nightly
def test_34_jobs_that_fail_together_do_not_come_back_together(scene: Scene, figure: Figure) -> None:
    count, delay = scaled(1000, 100), 20
    scene.ready(4, RETRY_DELAY=delay)
    jobs = Fails.dispatch_many([Fails(folder=str(scene.folder)) for _ in range(count)])
    scene.started(jobs, deadline=120)
    scene.go()
    scene.finish(*jobs, deadline=300)
    again = [int(one.at) for one in scene.effects("start") if one.attempt == 2]
    per_second = max(Counter(again).values())
    figure(f"{count} jobs: at most {per_second} retries in a second")
    assert per_second < count


FAKETIME = "libfaketimeMT.so.1"


def preload() -> Path:
    """Return the library that lies about the time, or skip the test."""
    found = list(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    if not found or shutil.which("faketime") is None:
        pytest.skip("Debian's faketime is not installed")
    return found[0]


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
def test_35_a_worker_with_a_wrong_clock_keeps_the_databases_time(
    scene: Scene, database_env: dict[str, str], figure: Figure, offset: str
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock of its own: it tells that of whoever asks")
    library = preload()
    honest = scene.ready(2, "--queues", "honest", LEASE=6)
    database_env |= {"LD_PRELOAD": str(library), "FAKETIME": offset}
    scene.ready(2, "--queues", "default", LEASE=6)
    del database_env["LD_PRELOAD"], database_env["FAKETIME"]
    job = scene.works(seconds=0.5).dispatch(delay=2)
    (job,) = scene.finish(job)
    attempt = Attempt.objects.get(job=job)
    assert attempt.started_at
    assert attempt.finished_at
    assert job.status == JobStatus.COMPLETED
    late = (attempt.started_at - job.run_at).total_seconds()
    assert 0 <= late < 5
    assert (attempt.finished_at - attempt.started_at).total_seconds() >= 0.4
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    assert honest.process.poll() is None
    figure(f"clock {offset}: started {late:.2f} s after due, wrong rescues 0, durations right")
