"""Faults 1 to 5, 11 and 13: workers and launchers that are killed or told to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from statistics import median

import pytest
from django.db import connection

from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus, Reason, WorkerStatus
from jobs.worker.processes import boottime

from ..waiting import wait_until
from ..worker.conftest import WorkerProcess, launcher_of
from .conftest import Figure
from .fault_jobs import Kills
from .invariants import ORPHANS_GONE
from .scale import at_most, nightly, pass_time, scaled
from .scene import Scene, until_gone

pytestmark = pytest.mark.usefixtures("live_database")
RUNNING = scaled(50, 8)
RUN_AGAIN = 3.0
"""Seconds until a worker of the same host has taken over all jobs of one that was killed."""


def crowd(scene: Scene) -> list[Job]:
    """Dispatch jobs with a grandchild each, every other one in C code that holds the GIL."""
    held = scene.dispatch(RUNNING // 2, seconds=600, once=True, grandchild=True, holds_gil=True)
    rest = RUNNING - len(held)
    return held + scene.dispatch(rest, seconds=600, once=True, grandchild=True)


def rounds_of_killing(
    scene: Scene, victim: Callable[[WorkerProcess], int]
) -> tuple[list[float], list[float]]:
    """Kill the victim under a crowd of jobs, again and again.

    Returns the seconds until each round's processes were gone, and until each job ran again.
    """
    gone, again = [], []
    first = scene.ready(RUNNING, LEASE=60)
    for _ in range(scaled(20, 1)):
        jobs = crowd(scene)
        scene.started(jobs, deadline=60.0)
        until_grandchildren(scene, len(jobs))
        second = scene.ready(RUNNING, LEASE=60)
        killed_at = boottime()
        os.kill(victim(first), signal.SIGKILL)
        scene.over()
        wanted = {job.pk for job in jobs}
        here = [one for one in scene.effects("start", "grandchild") if one.job in wanted]
        gone.append(until_gone([one for one in here if one.attempt == 1], killed_at))
        reruns = scene.started(jobs, attempt=2, deadline=60.0)
        again += [one.at - killed_at for one in reruns]
        scene.finish(*jobs)
        first.stop()
        first = second
    return gone, again


def until_grandchildren(scene: Scene, count: int) -> None:
    """Wait until each of the last `count` jobs has a grandchild that runs."""

    def look() -> bool:
        return sum(one.lives() for one in scene.effects("grandchild")) == count

    wait_until(look, 60.0, "grandchildren")


def summary(gone: list[float], again: list[float]) -> str:
    return (
        f"{len(gone)} rounds of {RUNNING}: lost 0, overlaps 0, all processes gone after "
        f"{max(gone):.2f} s at most, run again after {median(again):.2f} / {max(again):.2f} s"
    )


@pytest.mark.timeout(3600)
def test_01_jobs_of_a_killed_worker_run_again_elsewhere(scene: Scene, figure: Figure) -> None:
    gone, again = rounds_of_killing(scene, lambda process: process.pid)
    figure(summary(gone, again))
    assert max(gone) <= ORPHANS_GONE
    assert max(again) <= at_most(RUN_AGAIN)
    assert Attempt.objects.filter(reason=Reason.WORKER_LOST).count() >= RUNNING


@pytest.mark.timeout(3600)
def test_01_jobs_of_a_killed_launcher_run_again(scene: Scene, figure: Figure) -> None:
    gone, again = rounds_of_killing(scene, launcher_of)
    figure(summary(gone, again))
    assert max(gone) <= ORPHANS_GONE
    assert max(again) <= at_most(RUN_AGAIN)


@pytest.mark.parametrize("successor", ["is there", "comes later"])
def test_01_nothing_is_left_of_a_worker_killed_with_its_launcher(
    scene: Scene, figure: Figure, successor: str
) -> None:
    """The kernel ends the jobs. What they have started has no parent left, and nothing but its mark."""
    first = scene.ready()
    jobs = scene.dispatch(2, seconds=600, once=True, grandchild=True)
    scene.started(jobs, deadline=60.0)
    until_grandchildren(scene, len(jobs))
    if successor == "is there":
        scene.ready()
    began, launcher, killed_at = scene.effects(), launcher_of(first), boottime()
    os.kill(launcher, signal.SIGSTOP)  # Else it may end them between the two kills.
    first.send(signal.SIGKILL)
    os.kill(launcher, signal.SIGKILL)
    first.ended()
    if successor == "comes later":
        assert any(one.lives() for one in began)
        killed_at = boottime()
        scene.worker()
    again = scene.started(jobs, attempt=2)
    assert not any(one.lives() for one in began)
    took = max(one.at for one in again) - killed_at
    figure(f"the other worker {successor}: run again after {took:.2f} s, nothing left")


def test_01_a_worker_killed_with_its_process_group_takes_its_jobs_along(
    scene: Scene, figure: Figure
) -> None:
    """As with `kill -9 -- -$PGID`, or a shell that ends its jobs: the launcher is in no group of theirs."""
    first = scene.ready()
    jobs = scene.dispatch(2, seconds=600, once=True, grandchild=True)
    scene.started(jobs, deadline=60.0)
    until_grandchildren(scene, len(jobs))
    began, killed_at = scene.effects(), boottime()
    os.killpg(first.pid, signal.SIGKILL)
    gone = until_gone(began, killed_at)
    assert gone <= ORPHANS_GONE
    first.ended()
    figure(f"all processes gone after {gone:.2f} s, with no other worker there")


def test_01_a_stopped_launcher_of_a_killed_worker_runs_nothing_twice(
    scene: Scene, figure: Figure
) -> None:
    first = scene.ready()
    jobs = scene.dispatch(2, seconds=600, once=True, grandchild=True)
    began = scene.started(jobs, deadline=60.0)
    scene.ready()
    launcher, killed_at = launcher_of(first), boottime()
    os.kill(launcher, signal.SIGSTOP)
    first.send(signal.SIGKILL)
    again = scene.started(jobs, attempt=2)
    assert not any(one.lives() for one in began)
    figure(f"run again after {max(one.at for one in again) - killed_at:.2f} s, overlaps 0")


def test_03_a_worker_told_to_stop_finishes_what_runs(scene: Scene, figure: Figure) -> None:
    process = scene.ready(10, DRAIN_TIMEOUT=30)
    jobs = scene.dispatch(10, seconds=scaled(5, 1))
    scene.started(jobs, deadline=60.0)
    told_at = time.monotonic()
    process.send(signal.SIGTERM)
    wait_until(
        lambda: Worker.objects.filter(status=WorkerStatus.DRAINING).exists(), message="drains"
    )
    (later,) = scene.dispatch(1)
    assert process.ended() == 0, process.output()
    assert not Attempt.objects.filter(job=later).exists()
    assert Attempt.objects.filter(job__in=jobs, status=AttemptStatus.COMPLETED).count() == 10
    figure(f"claims after TERM 0, gone after {time.monotonic() - told_at:.1f} s")


def test_04_jobs_that_outlast_the_drain_are_picked_up_elsewhere(
    scene: Scene, figure: Figure
) -> None:
    process = scene.ready(4, DRAIN_TIMEOUT=scaled(5, 1))
    jobs = scene.dispatch(4, seconds=60, once=True)
    scene.started(jobs, deadline=60.0)
    other = scene.ready(4)
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    ended_at = boottime()
    again = scene.started(jobs, attempt=2)
    done = scene.finish(*jobs)
    assert {(one.attempts_spent, one.interruptions) for one in done} == {(1, 1)}
    assert other.process.poll() is None
    late = max(one.at for one in again) - ended_at
    assert late <= at_most(2.0)
    figure(
        f"attempts spent by it 0, run elsewhere {max(0.0, late):.2f} s after the worker was gone"
    )


@pytest.mark.parametrize(
    "signals", ["TERM TERM TERM TERM TERM", pytest.param("INT TERM", marks=pytest.mark.once)]
)
def test_05_further_signals_end_a_worker_at_once(
    scene: Scene, figure: Figure, signals: str
) -> None:
    process = scene.ready(KILL_GRACE=1)
    jobs = scene.dispatch(2, seconds=60, once=True)
    scene.started(jobs, deadline=60.0)
    told_at = time.monotonic()
    for name in signals.split():
        process.send(signal.Signals[f"SIG{name}"])
        # Of signals of one number that arrive together the kernel delivers one.
        wait_until(lambda: "draining" in process.output(), message=process.output)
    # Before its jobs would have to be over: what the first signal allows them is 20 s.
    assert process.ended(15.0) == 0, process.output()
    figure(f"{signals}: gone after {time.monotonic() - told_at:.2f} s")


@pytest.mark.once
def test_05_a_signal_during_start_up_leaves_nothing_behind(
    scene: Scene, database_env: dict[str, str], figure: Figure
) -> None:
    database_env["NOT_AS_USUAL"] = "and so each imports the project anew"
    for step in range(scaled(20, 4)):
        process = scene.worker()
        pass_time(step % 10 * 0.1)
        process.send(signal.SIGTERM)
        assert process.ended() in (0, -signal.SIGTERM), process.output()
    figure(f"{scaled(20, 4)} start-ups, tracebacks 0")


@pytest.mark.once
def test_05_a_worker_without_a_database_can_be_stopped(
    scene: Scene, database_env: dict[str, str], figure: Figure
) -> None:
    kept = dict(database_env)
    database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = "postgres://x@127.0.0.1:9/none"
    process = scene.worker()
    database_env.update(kept)
    wait_until(lambda: "database_unreachable" in process.output(), message=process.output)
    told_at = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    figure(f"without a database gone after {time.monotonic() - told_at:.2f} s")


# The last: those beside it run each time that it does, and never get to their end before.
@pytest.mark.parametrize(
    ("processes", "count", "seconds"),
    [(4, 20, 0.2), pytest.param(8, 20, 0.2, marks=pytest.mark.once), (4, 3, 3.0)],
)
def test_11_a_job_that_kills_its_worker_runs_out_of_attempts(
    scene: Scene, figure: Figure, processes: int, count: int, seconds: float
) -> None:
    poison = Kills(folder=str(scene.folder), whom="worker").dispatch(priority=10)
    good = scene.dispatch(count, seconds=seconds)
    starts = 0

    def supervise() -> bool:
        nonlocal starts
        if not scene.live():
            scene.worker("--concurrency", str(processes))
            starts += 1
        poison.refresh_from_db()
        return poison.is_finished

    wait_until(supervise, 120.0, scene.story)
    scene.finish(*good)
    tries = sum(one.job == poison.pk for one in scene.effects("start"))
    assert poison.status == JobStatus.FAILED
    assert tries <= Kills.max_attempts + 1
    assert {one.status for one in scene.finish(*good)} == {JobStatus.COMPLETED}
    spent = set(Job.objects.filter(pk__in=[one.pk for one in good]).values_list("attempts_spent"))
    assert spent == {(1,)}
    figure(
        f"{tries} starts for max_attempts {Kills.max_attempts}, "
        f"neighbours {count}/{count} at no cost, {processes} processes"
    )


@nightly
def test_11_the_same_with_its_launcher(scene: Scene, figure: Figure) -> None:
    scene.ready(4)
    poison = Kills(folder=str(scene.folder), whom="launcher").dispatch(priority=10)
    good = scene.dispatch(20, seconds=0.2)
    poison, *others = scene.finish(poison, *good)
    assert (poison.status, poison.attempts_spent) == (JobStatus.FAILED, Kills.max_attempts)
    assert {one.status for one in others} == {JobStatus.COMPLETED}
    assert {one.attempts_spent for one in others} == {1}
    figure(f"launcher killed {poison.attempts_made} times, neighbours 20/20 at no cost")


def test_13_a_worker_restarted_under_the_same_pid_takes_over(scene: Scene, figure: Figure) -> None:
    """As in a container, where every worker is process 1 of the same host name."""
    first = scene.ready(LEASE=600)
    jobs = scene.dispatch(2, seconds=600, once=True)
    scene.started(jobs, deadline=60.0)
    wait_until(lambda: jobs_started(jobs) == 2, message="starts are recorded")
    first.send(signal.SIGKILL)
    first.ended()
    second = scene.worker(LEASE=600)
    # What the row says of the dead one now looks like the one that lives, but for its birth.
    Worker.objects.filter(pid=first.pid).update(pid=second.pid)
    killed_at = boottime()
    again = scene.started(jobs, attempt=2)
    figure(f"run again {max(one.at for one in again) - killed_at:.2f} s after the restart began")


def jobs_started(jobs: list[Job]) -> int:
    connection.ensure_connection()
    return Attempt.objects.filter(job__in=jobs, started_at__isnull=False).count()
