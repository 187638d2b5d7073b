"""Faults 6 and 7: workers that freeze, and jobs that take longer than a lease."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus, Reason, WorkerStatus
from jobs.worker.processes import boottime

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import WorkerProcess, launcher_of
from .barrier import Barrier
from .conftest import Figure
from .scale import SCALE, scaled
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")
LEASE = scaled(60, 4)
FREEZING: Any = {"LEASE": LEASE, "BEAT": LEASE / 8, "POLL_INTERVAL": 1}
LONG = 60 if SCALE >= 1 else 2
"""Seconds of the lease that a job outlasts ten times: of the catalogue, or of a short run."""


@pytest.mark.parametrize("whole", [False, True], ids=["supervisor", "supervisor and launcher"])
def test_06_a_frozen_worker_is_fenced(scene: Scene, figure: Figure, whole: bool) -> None:
    first = scene.ready(**FREEZING)
    jobs = scene.dispatch(2, seconds=600, once=True)
    began = scene.started(jobs)
    scene.ready(**FREEZING)
    frozen = [first.pid, *([launcher_of(first)] if whole else [])]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    stopped_at = boottime()
    again = scene.started(jobs, attempt=2, deadline=LEASE * 4)
    assert not any(one.lives() for one in began)
    for pid in frozen:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)
    scene.over()
    done = scene.finish(*jobs)
    assert {one.status for one in done} == {JobStatus.COMPLETED}
    assert Attempt.objects.filter(job__in=jobs, number=1, reason=Reason.WORKER_LOST).count() == 2
    late = max(one.at for one in again) - stopped_at
    figure(
        f"lease {LEASE} s: run again after {late:.1f} s, overlap 0 s, "
        f"fenced renewals {refused_renewals(first)}, accepted stale writes 0"
    )


def refused_renewals(thawed: WorkerProcess) -> int:
    """Wait until a worker was told that the lease it wanted to renew is no longer its own."""
    wait_until(lambda: "lease_lost" in thawed.output(), DEADLINE, thawed.output)
    return thawed.output().count("lease_lost")


def test_06_an_outcome_written_by_a_thawed_worker_is_refused(
    scene: Scene, figure: Figure, database_env: dict[str, str]
) -> None:
    """It freezes with the outcome in its hands, and writes that first, before it learns anything."""
    barrier = Barrier(scene, database_env, "with_outcomes", **FREEZING)
    jobs = scene.dispatch(2, waits=True)
    scene.started(jobs)
    wait_until(lambda: starts_recorded(jobs) == len(jobs), message=scene.story)
    barrier.set()
    scene.go()
    barrier.reached()
    scene.ready(**FREEZING)
    done = scene.finish(*jobs, deadline=LEASE * 4)
    first = Attempt.objects.filter(job__in=jobs, number=1)
    lost = first.filter(reason=Reason.WORKER_LOST, status=AttemptStatus.RELEASED)
    assert lost.filter(cpu_seconds=None).exists()
    unmeasured = lost.filter(cpu_seconds=None).count()
    barrier.open()
    refused_renewals(barrier.worker)
    fenced = unmeasured - lost.filter(cpu_seconds=None).count()
    assert fenced >= 1
    assert list(Job.objects.filter(pk__in=[j.pk for j in jobs]).values()) == [
        {name: value for name, value in vars(job).items() if name != "_state"} for job in done
    ]
    figure(f"lease {LEASE} s: fenced outcomes {fenced}, accepted stale writes 0")


def starts_recorded(jobs: list[Job]) -> int:
    return Attempt.objects.filter(job__in=jobs, started_at__isnull=False).count()


@pytest.mark.timeout(1200)
def test_07_a_job_longer_than_its_lease_runs_once(scene: Scene, figure: Figure) -> None:
    settings: Any = {"LEASE": LONG, "BEAT": LONG / 6}
    scene.ready(**settings)
    jobs = scene.dispatch(2, seconds=LONG * 10)
    scene.started(jobs)
    scene.ready(**settings)
    scene.finish(*jobs, deadline=LONG * 12 + 30)
    assert Attempt.objects.filter(job__in=jobs).count() == 2
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    figure(f"lease {LONG} s, jobs of {LONG * 10} s: rescues 0")
