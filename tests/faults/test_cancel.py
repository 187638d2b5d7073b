"""Faults 27 to 32: cancels of what refuses, multiplies, ends at that moment, or has not begun."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime

import pytest
from django.db import connection

from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus
from jobs.worker.processes import boottime, descendants, is_zombie

from .. import unruly_jobs as unruly
from ..factories import make_job
from ..waiting import DEADLINE, wait_until
from ..worker.conftest import lines_of, pid_in
from .barrier import Barrier
from .conftest import Figure
from .fault_jobs import Fails, FailsForGood, Forks, Refuses, Works
from .figures import p95
from .scale import at_most, pass_time, scaled
from .scene import Effect, Scene, until_gone

pytestmark = pytest.mark.usefixtures("live_database")
GRACE = 1.0


def cancelled_to_gone(scene: Scene, jobs: list[Job], effects: list[Effect]) -> list[float]:
    """Cancel jobs one after the other; return the seconds from each cancel to its processes' end."""
    took = []
    for job in jobs:
        mine = [one for one in effects if one.job == job.pk]
        asked_at = boottime()
        assert job.cancel()
        took.append(until_gone(mine, asked_at, 20.0))
    for job in scene.finish(*jobs):
        assert job.status == JobStatus.CANCELLED
    return took


@pytest.mark.once
@pytest.mark.parametrize("how", ["signal", "C"])
def test_27_a_job_that_cannot_be_interrupted_is_killed_after_its_grace(
    scene: Scene, figure: Figure, how: str
) -> None:
    scene.ready(2, KILL_GRACE=GRACE)
    took: list[float] = []
    for _ in range(scaled(10, 1)):
        jobs = [Refuses(folder=str(scene.folder), how=how).dispatch() for _ in range(2)]
        took += cancelled_to_gone(scene, jobs, scene.started(jobs))
    figure(f"{how}: click to gone p95 {p95(took):.2f} s with a grace of {GRACE:g} s")
    assert p95(took) <= at_most(GRACE + 1)


def test_27_a_cooperative_job_is_gone_at_once(scene: Scene, figure: Figure) -> None:
    scene.ready(4, KILL_GRACE=60)
    took: list[float] = []
    for _ in range(scaled(10, 2)):
        jobs = scene.dispatch(4, seconds=600, grandchild=True)
        scene.started(jobs)
        wait_until(lambda: alive_grandchildren(scene) == 4, message="grandchildren")
        took += cancelled_to_gone(scene, jobs, scene.effects("start", "grandchild"))
    figure(f"{len(took)} cancels: click to tree gone p95 {p95(took):.2f} s")
    assert p95(took) <= at_most(2.0)


def alive_grandchildren(scene: Scene) -> int:
    return sum(one.lives() for one in scene.effects("grandchild"))


@pytest.mark.once
def test_28_a_daemon_goes_with_its_job(scene: Scene, figure: Figure) -> None:
    scene.ready(KILL_GRACE=GRACE)
    took: list[float] = []
    for number in range(scaled(20, 1)):
        log = scene.folder / f"log-{number}"
        job = unruly.StartsDaemon(log=str(log)).dispatch()
        pids = [pid_in(line) for line in lines_of(log, 2)]
        asked_at = boottime()
        job.cancel()
        wait_until(lambda pids=pids: all(map(is_zombie, pids)), DEADLINE, "the daemon lives")  # type: ignore[misc]
        took.append(boottime() - asked_at)
        scene.finish(job)
    figure(f"{len(took)} cancels: survivors 0 after p95 {p95(took):.2f} s")
    assert p95(took) <= at_most(2.0)


@pytest.mark.once
def test_29_a_chain_of_forks_is_ended(scene: Scene, figure: Figure) -> None:
    worker = scene.ready(KILL_GRACE=GRACE)
    generations = scaled(20_000, 500)
    before = len(descendants(worker.pid))
    job = Forks(folder=str(scene.folder), generations=generations).dispatch()
    scene.started([job])
    asked_at = boottime()
    job.cancel()
    scene.finish(job)
    wait_until(lambda: len(descendants(worker.pid)) <= before, 10.0, "the chain lives")
    figure(f"{generations} generations: none left after {boottime() - asked_at:.2f} s")


KINDS = (Works, Fails, FailsForGood)
"""A job that completes, one that fails with an attempt left, and one that fails for good."""
MOMENTS = {
    "with_outcomes": 20.0,
    "before_outcome_commit": 0.1,
    "after_outcome_commit": 20.0,
}
"""Where the worker is while the cancel comes → how many seconds it stays there at most.

Before its commit it has the job locked: the cancel has its answer only when the worker goes on.
"""


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("moment", MOMENTS)
def test_30_a_cancel_while_the_outcome_is_written_has_one_result(
    scene: Scene, figure: Figure, database_env: dict[str, str], moment: str
) -> None:
    barrier = Barrier(scene, database_env, moment, RETRY_DELAY=0.3)
    split: Counter[str] = Counter()
    for number in range(scaled(500 / len(MOMENTS), 2 * len(KINDS))):
        barrier.set()
        job = KINDS[number % len(KINDS)](folder=str(scene.folder)).dispatch()
        barrier.reached()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(cancelled, job.pk)
            wait([answer], MOMENTS[moment])
            barrier.open()
        scene.finish(job)
        split[agreed(job, *answer.result())] += 1
    assert split[JobStatus.COMPLETED]
    assert split[JobStatus.CANCELLED]
    figure(f"at {moment}: {told(split)}")


def test_30_a_cancel_that_races_completion_has_one_result(scene: Scene, figure: Figure) -> None:
    scene.ready(4)
    split: Counter[str] = Counter()
    for _ in range(scaled(125, 10)):
        jobs = scene.dispatch(2, seconds=0.05)
        jobs += [kind(folder=str(scene.folder)).dispatch() for kind in (Fails, FailsForGood)]
        asked = {}
        for job in jobs:
            pass_time(random.uniform(0, 0.03))
            asked[job.pk] = cancelled(job.pk)
        scene.finish(*jobs)
        split.update(agreed(job, *asked[job.pk]) for job in jobs)
    figure(f"at any moment: {told(split)}")


def told(split: Counter[str]) -> str:
    return (
        f"{sum(split.values())} rounds: {split['completed']} completed, {split['cancelled']} cancelled, "
        f"{split['failed']} failed; violations 0, retries after a cancel 0"
    )


def cancelled(pk: int) -> tuple[bool, datetime]:
    """Cancel a job on a connection of this thread; return the answer, and when it was there."""
    try:
        return Job.objects.get(pk=pk).cancel(), engine_for().now()
    finally:
        if threading.current_thread() is not threading.main_thread():
            connection.close()


def agreed(job: Job, asked: bool, at: datetime) -> str:
    """Check that what the cancel answered fits what became of the job, and that nothing ran again."""
    job.refresh_from_db()
    requested = job.cancel_requested_at is not None
    if asked:
        later = job.attempts.filter(claimed_at__gt=at)
        assert not later.exists(), f"{job} was tried again after its cancel: {later}"
        assert job.status == JobStatus.CANCELLED or (
            requested and job.status == JobStatus.COMPLETED
        )
    else:
        assert job.status in (JobStatus.COMPLETED, JobStatus.FAILED), job
        assert not requested
    completed = job.attempts.filter(status=AttemptStatus.COMPLETED).count()
    assert completed == (job.status == JobStatus.COMPLETED)
    return job.status


def test_31_a_job_can_be_cancelled_in_every_state(
    scene: Scene, figure: Figure, database_env: dict[str, str]
) -> None:
    far = {"delay": 3600}
    since = engine_for().now()
    waiting = {
        "scheduled": scene.works().dispatch(**far),  # type: ignore[arg-type]
        "queued": scene.works().dispatch(),
        "retrying": make_job(JobStatus.RETRYING, job_class="tests.Works"),
        "unresolved": make_job(JobStatus.SCHEDULED, job_class="tests.Gone", unresolved_since=since),
    }
    results = {name: (job.cancel(), reloaded(job).status) for name, job in waiting.items()}
    barrier = Barrier(scene, database_env, "after_fork:2", of_launcher=True, LEASE=60)
    running, ahead = one_claimed_ahead(scene, barrier)
    results["claimed ahead"] = (ahead.cancel(), scene.finish(ahead)[0].status)
    assert not [one for one in scene.effects("start") if one.job == ahead.pk]
    barrier.open()
    results["running"] = (running.cancel(), scene.finish(running)[0].status)
    assert set(results.values()) == {(True, JobStatus.CANCELLED)}, results
    done = scene.finish(*scene.dispatch(1))[0]
    assert (done.cancel(), reloaded(done).status) == (False, JobStatus.COMPLETED)
    figure(f"cancelled in {', '.join(results)}; a finished one stays completed")


def one_claimed_ahead(scene: Scene, barrier: Barrier) -> tuple[Job, Job]:
    """Return a job that has the only process of a worker, and one that waits there for the second.

    That one cannot be begun: the launcher has stopped before it could tell of it.
    """
    barrier.reached()
    running, ahead = scene.dispatch(1, waits=True)[0], scene.dispatch(1)[0]
    scene.started([running])
    held = Attempt.objects.filter(job=ahead, status=AttemptStatus.RUNNING, started_at=None)
    wait_until(held.exists, message=scene.story)
    return running, ahead


def reloaded(job: Job) -> Job:
    job.refresh_from_db()
    return job


def test_32_a_cancel_from_another_host_takes_at_most_a_poll(scene: Scene, figure: Figure) -> None:
    """Nothing but the database joins the two: the worker is not told, as through PgBouncer."""
    poll = 1.0
    scene.ready(2, LISTEN=0, POLL_INTERVAL=poll)
    Worker.objects.update(host_id="another host")
    took: list[float] = []
    for _ in range(scaled(20, 3)):
        jobs = scene.dispatch(1, seconds=600)
        took += cancelled_to_gone(scene, jobs, scene.started(jobs))
    figure(f"{len(took)} cancels, polling each {poll:g} s: click to gone p95 {p95(took):.2f} s")
    assert p95(took) <= poll + 1
