"""Fault 2: the process killed that reaches a named point in the code, at each of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from jobs.faultpoints import POINTS
from jobs.models import Attempt, Job
from jobs.states import JobStatus

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import ROOT
from .conftest import Figure
from .scale import nightly, scaled
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")
OF_CHILDREN = {"before_handle", "after_handle", "after_done"}
OF_THE_LAUNCHER = {"after_fork", "before_reaped"}
ELSEWHERE = OF_CHILDREN | OF_THE_LAUNCHER
"""Points at which a worker loses another process than its own."""
OF_RESCUERS = {"before_rescue", "during_rescue", "after_rescue"}
ONCE_ONLY = OF_RESCUERS | {"after_promote", "after_fork", "before_reaped", "before_start_commit"}
"""Points a worker does not pass several times in a short test."""
PASSINGS = dict.fromkeys(ONCE_ONLY, 1) | dict.fromkeys(OF_CHILDREN, 2) | {"in_tick": 30}
"""How often a process passes a point at least, where that is not three times: children run two jobs."""
STRIDES = {"in_tick": 3}
"""Of the duties eleven are due when a worker starts; later crashes find jobs that run."""


class Crash:
    """One round: a worker is armed, strikes at the point, and others go on."""

    def __init__(self, scene: Scene, point: str, environ: dict[str, str], once: Path) -> None:
        self.scene, self.point, self.environ, self.once = scene, point, environ, once

    def run(self, passing: int) -> list[Job]:
        """Have the process killed at its `passing`th passing of the point; return the round's jobs."""
        jobs = self.dead_workers_job() if self.point in OF_RESCUERS else []
        armed = {"JOBS_FAULT_POINT": f"{self.point}:{passing}", "JOBS_FAULT_ONCE": str(self.once)}
        self.environ |= armed
        doomed = self.scene.worker(JOBS_PER_PROCESS=2)
        for name in armed:
            del self.environ[name]
        jobs += self.scene.dispatch(6)
        jobs.append(self.scene.works().dispatch(delay=0.3))
        jobs += self.scene.dispatch(2, seconds=0.3)
        wait_until(
            self.once.exists, DEADLINE, lambda: f"{self.point} not reached: {doomed.output()}"
        )
        if self.point not in ELSEWHERE:
            assert doomed.ended() == -signal.SIGKILL
        self.scene.go()
        successor = self.scene.worker()
        self.scene.finish(*jobs)
        # A late crash has left it nothing to do, and it may not be there yet.
        wait_until(lambda: "worker_registered" in successor.output(), 60.0, successor.output)
        return jobs

    def dead_workers_job(self) -> list[Job]:
        """Leave a job behind whose worker was killed: somebody has to rescue it."""
        self.scene.stay()
        victim = self.scene.worker()
        jobs = self.scene.dispatch(1, waits=True)
        self.scene.started(jobs)
        victim.send(signal.SIGKILL)
        victim.ended()
        return jobs

    def leave(self) -> None:
        for process in self.scene.live():
            process.send(signal.SIGTERM)
            # One that has hardly begun has no handler for it yet.
            assert process.ended() in (0, -signal.SIGTERM), process.output()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "point",
    [
        # There the worker goes on, and writes what it does of any attempt that fails.
        pytest.param(point, marks=pytest.mark.once if point in ELSEWHERE else ())
        for point in POINTS
    ],
)
def test_02_a_process_killed_at(
    point: str, scene: Scene, figure: Figure, database_env: dict[str, str], tmp_path: Path
) -> None:
    rounds, reruns = scaled(10), 0
    for number in range(rounds):
        crash = Crash(scene, point, database_env, tmp_path / f"once-{number}")
        jobs = crash.run(1 + number * STRIDES.get(point, 1) % PASSINGS.get(point, 3))
        found = Job.objects.filter(pk__in=[job.pk for job in jobs])
        assert {job.status for job in found} == {JobStatus.COMPLETED}
        reruns += Attempt.objects.filter(job__in=found, number__gt=1).count()
        if number < rounds - 1:
            crash.leave()
    figure(f"{point}: {rounds} crashes, lost 0, stuck 0, two outcomes 0, attempts again {reruns}")


@nightly
@pytest.mark.timeout(600)
def test_02_a_worker_frozen_in_its_transaction_keeps_its_jobs_for_no_longer_than_a_lease(
    scene: Scene, figure: Figure, database_env: dict[str, str], tmp_path: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("who freezes with SQLite's only lock holds up everybody")
    once = tmp_path / "once"
    database_env |= {
        "JOBS_FAULT_POINT": "before_outcome_commit",
        "JOBS_FAULT_ONCE": str(once),
        "JOBS_FAULT_SIGNAL": str(signal.SIGSTOP.value),
    }
    frozen = scene.worker()
    del database_env["JOBS_FAULT_POINT"]
    jobs = scene.dispatch(2)
    wait_until(once.exists, message="frozen")
    began = time.monotonic()
    scene.worker()
    scene.finish(*jobs)
    took = time.monotonic() - began
    assert took < 45
    figure(f"{took:.0f} s until its jobs were run again")
    frozen.send(signal.SIGCONT)


def test_every_point_is_in_the_code_once() -> None:
    code = "".join(path.read_text() for path in (ROOT / "jobs").rglob("*.py"))
    assert {point: code.count(f'reach("{point}")') for point in POINTS} == dict.fromkeys(POINTS, 1)
    assert code.count('reach("') == len(POINTS)


def test_without_the_tests_own_setting_no_point_strikes(tmp_path: Path) -> None:
    once = tmp_path / "once"
    program = (
        "from django.conf import settings; settings.configure()\n"
        "from jobs.faultpoints import reach; reach('after_claim'); print('lives')"
    )
    environ = {"JOBS_FAULT_POINT": "after_claim", "JOBS_FAULT_ONCE": str(once)}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert (ran.stdout, ran.returncode, once.exists()) == ("lives\n", 0, False), ran.stderr
