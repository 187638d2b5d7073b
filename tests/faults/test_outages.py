"""Faults 5 and 14 to 16: a PostgreSQL that crashes or goes away."""

from __future__ import annotations

import random
import signal
from typing import Any

import pytest
from django.db import connection

from jobs.models import Attempt, Job
from jobs.states import AttemptStatus, JobStatus, Reason
from jobs.worker.processes import boottime
from jobs.worker.supervisor import LAST_TRY

from ..postgres import Server
from ..waiting import DEADLINE, wait_until
from .conftest import Figure
from .figures import p95
from .scale import at_most, pass_time, scaled
from .scene import Scene, patiently

pytestmark = pytest.mark.usefixtures("live_database")


def outcomes(jobs: list[Job]) -> int:
    found = Attempt.objects.filter(job__in=jobs, status=AttemptStatus.COMPLETED)
    return patiently(found.count) or 0


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_05_a_worker_whose_database_is_away_can_be_stopped(
    server: Server, scene: Scene, figure: Figure, busy: bool
) -> None:
    drain, jobs = 1.0, list[Job]()
    process = scene.ready(2, DRAIN_TIMEOUT=drain, LEASE=60)
    if busy:
        jobs = scene.dispatch(2, seconds=600, once=True)
        scene.started(jobs)
    connection.close()
    server.stop()
    wait_until(lambda: "database_unreachable" in process.output(), message=process.output)
    told_at = boottime()
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    took = boottime() - told_at
    assert not any(one.lives() for one in scene.effects("start"))
    assert "Traceback" not in process.output()
    server.start()
    # What it could not give back any more: the next worker on this host sees that it is gone.
    scene.ready()
    done = scene.finish(*jobs) if jobs else []
    assert {(one.status, one.attempts_spent) for one in done} <= {(JobStatus.COMPLETED, 1)}
    # Where something is left to be written, it has some seconds more for the database to return.
    assert took <= at_most((drain + LAST_TRY if busy else 0.0) + 2.0)
    what = f"with {len(jobs)} jobs given {drain:g} s" if busy else "idle"
    figure(f"{what}: gone {took:.2f} s after TERM, tracebacks 0, run again {len(done)}/{len(jobs)}")


SLOTS = 8
PRESSED = 1.3
"""How much longer the jobs of a portion take than there is time for until the next crash."""


@pytest.mark.timeout(1800)
def test_14_a_server_that_crashes_again_and_again_loses_nothing(
    server: Server, scene: Scene, figure: Figure
) -> None:
    workers = [scene.ready(SLOTS // 2) for _ in range(2)]
    crashes = scaled(27, 3)
    portion = scaled(2000, 60) // crashes
    claims: list[float] = []
    met: list[int] = []
    for _ in range(crashes):
        pause = random.uniform(scaled(5, 1), scaled(40, 2))
        scene.dispatch(portion, seconds=pause * SLOTS * PRESSED / portion)
        connection.close()
        pass_time(pause)
        met.append(wait_until(lambda: running(scene), DEADLINE, scene.story))
        server.stop("immediate")
        server.start()
        up_at, begun = boottime(), len(scene.effects("start"))
        scene.dispatch(1)  # Of the others the last may have begun before the crash.
        wait_until(lambda n=begun: len(scene.effects("start")) > n, DEADLINE, scene.story)  # type: ignore[misc]
        claims.append(boottime() - up_at)
    scene.over()
    scene.finish(deadline=300)
    assert set(Job.objects.values_list("status")) == {(JobStatus.COMPLETED,)}
    assert all(one.process.poll() is None for one in workers)
    figure(
        f"{(portion + 1) * crashes} jobs, {crashes} crashes on {min(met)} to {max(met)} running ones: lost 0, "
        f"worker exits 0, from up to the next start p95 {p95(claims):.1f} s, {max(claims):.1f} s at most"
    )


def running(scene: Scene) -> int:
    """Return how many jobs are in the middle of their work."""
    ended = {(one.job, one.attempt) for one in scene.effects("end")}
    begun = [one for one in scene.effects("start") if (one.job, one.attempt) not in ended]
    return sum(one.lives() for one in begun)


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
    scene.over()
    up_at = boottime()
    wait_until(lambda: outcomes(jobs) == len(jobs), DEADLINE, scene.story)
    took = boottime() - up_at
    assert patiently(Attempt.objects.filter(job__in=jobs).count) == len(jobs)
    assert worker.process.poll() is None
    figure(f"away {away} s: reruns 0/20, all 20 outcomes {took:.1f} s after its return")
    assert took <= at_most(5.0)


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
    scene.over()
    scene.finish(*jobs, deadline=lease * 3 + 30)
    most = max(Job.objects.values_list("attempts_made", flat=True))
    assert most <= 2
    assert not Attempt.objects.filter(reason=Reason.WORKER_LOST).exists()
    assert set(Job.objects.filter(pk__in=[j.pk for j in jobs]).values_list("attempts_spent")) == {
        (1,)
    }
    figure(f"away {away} s, lease {lease} s: ended after {fenced:.1f} s, rescues by others 0")
