"""Faults 27 to 32: cancels of what refuses, multiplies, ends at that moment, or has not begun."""

from __future__ import annotations

import random
from collections import Counter
from statistics import quantiles

import pytest

from jobs.models import Job, Worker
from jobs.states import AttemptStatus, JobStatus
from jobs.worker.processes import boottime, descendants, is_zombie

from .. import sample_jobs as sample
from ..factories import make_job
from ..waiting import wait_until
from ..worker.conftest import lines_of, pid_in
from .conftest import Figure
from .fault_jobs import Forks, Refuses
from .scale import pass_time, scaled
from .scene import Effect, Scene, until_gone

pytestmark = pytest.mark.usefixtures("live_database")
GRACE = 1.0


def p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


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
    assert p95(took) <= GRACE + 1


def test_27_a_cooperative_job_is_gone_at_once(scene: Scene, figure: Figure) -> None:
    scene.ready(4, KILL_GRACE=10)
    took: list[float] = []
    for _ in range(scaled(10, 2)):
        jobs = scene.dispatch(4, seconds=600, grandchild=True)
        scene.started(jobs)
        wait_until(lambda: alive_grandchildren(scene) == 4, message="grandchildren")
        took += cancelled_to_gone(scene, jobs, scene.effects("start", "grandchild"))
    figure(f"{len(took)} cancels: click to tree gone p95 {p95(took):.2f} s")
    assert p95(took) <= 2.0


def alive_grandchildren(scene: Scene) -> int:
    return sum(one.lives() for one in scene.effects("grandchild"))


def test_28_a_daemon_goes_with_its_job(scene: Scene, figure: Figure) -> None:
    scene.ready(KILL_GRACE=GRACE)
    log = scene.folder / "log"
    job = sample.StartsDaemon(log=str(log)).dispatch()
    lines = lines_of(log, 2)
    asked_at = boottime()
    job.cancel()
    pids = [pid_in(line) for line in lines]
    wait_until(lambda: all(map(is_zombie, pids)), 5.0, "the daemon lives")
    took = boottime() - asked_at
    scene.finish(job)
    figure(f"survivors 0 after {took:.2f} s")
    assert took <= 2.0


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


def test_30_a_cancel_that_races_completion_has_one_result(scene: Scene, figure: Figure) -> None:
    scene.ready(4)
    split: Counter[str] = Counter()
    rounds, at_once = scaled(500, 40), 20
    for _ in range(rounds // at_once):
        jobs = scene.dispatch(at_once, seconds=0.05)
        asked = {}
        for job in jobs:
            pass_time(random.uniform(0, 0.03))
            asked[job.pk] = job.cancel()
        for job in scene.finish(*jobs):
            split[job.status] += 1
            agrees(job, asked[job.pk])
    assert set(split) <= {JobStatus.COMPLETED, JobStatus.CANCELLED}
    figure(
        f"{sum(split.values())} rounds: {split['completed']} completed, "
        f"{split['cancelled']} cancelled, violations 0"
    )


def agrees(job: Job, asked: bool) -> None:
    """Check that what the cancel answered fits what became of the job, and that nothing ran again."""
    assert job.attempts.count() <= 1
    if job.status == JobStatus.CANCELLED:
        assert asked
        assert not job.attempts.filter(status=AttemptStatus.COMPLETED).exists()
    else:
        assert asked == (job.cancel_requested_at is not None)


def test_31_a_job_can_be_cancelled_in_every_state(scene: Scene, figure: Figure) -> None:
    far = {"delay": 3600}
    waiting = {
        "scheduled": scene.works().dispatch(**far),  # type: ignore[arg-type]
        "queued": scene.works().dispatch(),
        "retrying": make_job(JobStatus.RETRYING, job_class="tests.Works"),
        "unresolved": make_job(JobStatus.SCHEDULED, job_class="tests.Gone"),
    }
    results = {name: (job.cancel(), reloaded(job).status) for name, job in waiting.items()}
    scene.ready(1)
    running, starting = scene.dispatch(1, seconds=600)[0], scene.dispatch(1, seconds=600)[0]
    scene.started([running])
    for name, job in {"claimed or queued": starting, "running": running}.items():
        asked = job.cancel()
        results[name] = (asked, scene.finish(job)[0].status)
    done = scene.finish(*scene.dispatch(1))[0]
    assert set(results.values()) == {(True, JobStatus.CANCELLED)}, results
    assert not done.cancel()
    figure(f"cancelled in {', '.join(results)}; a finished one stays completed")


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
