"""Faults 33 to 35: retries by many at once, of many at once, and a clock that is wrong."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus, WorkerStatus
from jobs.worker.processes import boottime

from ..worker.conftest import ROOT
from .conftest import Figure
from .fault_jobs import Dies, Fails
from .scale import at_most, nightly, pass_time, scaled
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
    count, delay = scaled(1000, 100), scaled(60, 20)
    scene.ready(4, RETRY_DELAY=delay, RETRY_JITTER=1)
    jobs = Fails.dispatch_many([Fails(folder=str(scene.folder)) for _ in range(count)])
    scene.started(jobs, deadline=120)
    scene.go()
    scene.finish(*jobs, deadline=300)
    again = [int(one.at) for one in scene.effects("start") if one.attempt == 2]
    per_second = max(Counter(again).values())
    figure(f"{count} jobs, delay {delay} s, jitter 1: at most {per_second} retries in a second")
    # Of few jobs chance alone brings more than one in twenty together: five standard deviations.
    even = count / delay
    assert per_second <= max(0.05 * count, even + 5 * math.sqrt(even))


FAKETIME = "libfaketimeMT.so.1"


def preload() -> Path:
    """Return the library that lies about the time, or skip the test."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock of its own: it tells that of whoever asks")
    found = list(Path("/usr/lib").glob(f"*/faketime/{FAKETIME}"))
    if not found or shutil.which("faketime") is None:
        pytest.skip("Debian's faketime is not installed")
    return found[0]


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
def test_35_a_worker_with_a_wrong_clock_keeps_the_databases_time(
    scene: Scene, database_env: dict[str, str], figure: Figure, offset: str
) -> None:
    library = preload()
    honest = scene.ready(2, "--queues", "honest", LEASE=6)
    database_env |= {"LD_PRELOAD": str(library), "FAKETIME": offset}
    liar = scene.ready(2, "--queues", "default", LEASE=6)
    del database_env["LD_PRELOAD"], database_env["FAKETIME"]
    job = scene.works(seconds=0.5).dispatch(delay=2)
    (job,) = scene.finish(job)
    attempt = Attempt.objects.get(job=job)
    assert attempt.started_at
    assert attempt.finished_at
    assert job.status == JobStatus.COMPLETED
    late = (attempt.started_at - job.run_at).total_seconds()
    assert 0 <= late < 30
    assert (attempt.finished_at - attempt.started_at).total_seconds() >= 0.4
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    assert honest.process.poll() is None
    # What a job notes of its times is by the clock of its worker.
    liar.stop()
    scene.ready(2, "--queues", "default", LEASE=6)
    figure(f"clock {offset}: started {late:.2f} s after due, wrong rescues 0, durations right")


class Clock:
    """The time of day of a worker started with `environ`, which can be set as the clock of a host can.

    As there, the clocks that only run on since the machine was started are left alone.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SLEEP)
        self.file = folder / "clock"
        self.set("+0")
        self.environ = {
            "LD_PRELOAD": str(preload()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": str(folder),
        }

    def set(self, offset: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(offset + "\n")
        new.replace(self.file)


# The library takes the end of a sleep, by a clock that it leaves alone, for one by the clock that it sets.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""


@pytest.mark.parametrize("offset", ["-1h", "+1h"])
def test_35_a_clock_that_is_set_while_jobs_run_changes_nothing(
    scene: Scene, database_env: dict[str, str], figure: Figure, offset: str
) -> None:
    lease, delay = 6, 2.0
    clock = Clock(scene.folder / "clocks")
    honest = scene.ready(2, "--queues", "honest", LEASE=lease)
    kept = dict(database_env)
    database_env |= clock.environ
    worker = scene.ready(4, "--queues", "default", LEASE=lease, RETRY_DELAY=delay)
    database_env.clear()
    database_env.update(kept)
    jobs = scene.dispatch(2, waits=True)
    scene.started(jobs)
    clock.set(offset)
    later = scene.works().dispatch(delay=delay)
    failing = Fails(folder=str(scene.folder)).dispatch()
    scene.finish(later, failing)
    pass_time(lease)
    scene.go()
    scene.finish(*jobs)
    assert is_set(worker.output())
    assert not early_starts(scene, [*jobs, later, failing], delay)
    assert not wrong_durations(scene)
    assert "worker_rescued" not in honest.output()
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    figure(f"clock set by {offset}: early starts 0, wrong rescues 0, durations negative or wrong 0")


def early_starts(scene: Scene, jobs: list[Job], delay: float) -> list[str]:
    """Return the first attempts that began before their job was due, and the later ones before their delay.

    When they began is what they have noted: a claim has the time at which its first statement began.
    """
    began = {(one.job, one.attempt): one.at for one in scene.effects("start")}
    since_boot, early = time.time() - boottime(), []
    for job in jobs:
        due = job.run_at
        for one in job.attempts.order_by("number"):
            if (number := (job.pk, one.number)) in began:
                at = datetime.fromtimestamp(began[number] + since_boot, UTC)
                early += [f"{one}: {at} < {due}"] if at < due else []
            assert one.finished_at
            failed = one.status == AttemptStatus.FAILED
            due = one.finished_at + timedelta(seconds=delay if failed else 0)
    return early


def is_set(output: str) -> bool:
    """Whether a worker's clock was another when it told of the failed job than it is here."""
    stamp = re.findall(r"^(.{23}) WARNING jobs: attempt_failed", output, re.MULTILINE)[-1]
    told_at = datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").astimezone()
    return abs(datetime.now(UTC) - told_at) > timedelta(minutes=30)


def wrong_durations(scene: Scene) -> list[str]:
    """Return the attempts that took another time than their jobs have noted beside the database."""
    noted = {(one.job, one.attempt): one.at for one in scene.effects("start")}
    wrong = []
    for one in scene.effects("end"):
        attempt = Attempt.objects.get(job=one.job, number=one.attempt)
        assert attempt.started_at
        assert attempt.finished_at
        took = one.at - noted[one.job, one.attempt]
        recorded = (attempt.finished_at - attempt.started_at).total_seconds()
        if abs(recorded - took) > at_most(1.0):
            wrong.append(f"{attempt}: {recorded} s, not {took} s")
    return wrong
