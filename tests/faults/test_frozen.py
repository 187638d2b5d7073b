"""Faults 6 and 7: workers that freeze, and jobs that take longer than a lease."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from jobs.models import Attempt, Worker
from jobs.states import JobStatus, Reason, WorkerStatus
from jobs.worker.processes import boottime

from ..waiting import wait_until
from .conftest import Figure
from .scale import scaled
from .scene import Scene, launcher_of

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.mark.parametrize("whole", [False, True], ids=["supervisor", "supervisor and launcher"])
def test_06_a_frozen_worker_is_fenced(scene: Scene, figure: Figure, whole: bool) -> None:
    lease = scaled(60, 4)
    settings: Any = {"LEASE": lease, "BEAT": lease / 8, "POLL_INTERVAL": 1}
    first = scene.ready(**settings)
    jobs = scene.dispatch(2, seconds=600, once=True)
    began = scene.started(jobs)
    scene.ready(**settings)
    frozen = [first.pid, *([launcher_of(first)] if whole else [])]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    stopped_at = boottime()
    again = scene.started(jobs, attempt=2, deadline=lease * 4)
    assert not any(one.lives() for one in began)
    for pid in frozen:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)
    done = scene.finish(*jobs)
    assert {one.status for one in done} == {JobStatus.COMPLETED}
    assert Attempt.objects.filter(job__in=jobs, number=1, reason=Reason.WORKER_LOST).count() == 2
    wait_until(lambda: "lease_lost" in first.output(), 30.0, first.output)
    late = max(one.at for one in again) - stopped_at
    figure(f"lease {lease} s: run again after {late:.1f} s, overlap 0 s, stale outcomes accepted 0")


def test_07_a_job_longer_than_its_lease_runs_once(scene: Scene, figure: Figure) -> None:
    lease = scaled(60, 2)
    settings: Any = {"LEASE": lease, "BEAT": lease / 6}
    scene.ready(**settings)
    jobs = scene.dispatch(2, seconds=lease * 4)
    scene.started(jobs)
    scene.ready(**settings)
    scene.finish(*jobs, deadline=lease * 8 + 30)
    assert Attempt.objects.filter(job__in=jobs).count() == 2
    assert not Worker.objects.filter(status=WorkerStatus.LOST).exists()
    figure(f"lease {lease} s, rescues 0")
