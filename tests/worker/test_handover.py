"""Jobs on their way to a process that dies, or that is told to stop them, before it has begun."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.models import Job
from jobs.states import AttemptStatus, JobStatus
from jobs.worker.processes import LINUX

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import StartWorker, WorkerProcess, finished, is_gone, launcher_of, lines_of, pid_in
from .stubborn_jobs import MeasuresArgument

pytestmark = [
    pytest.mark.usefixtures("live_database"),
    pytest.mark.skipif(not LINUX, reason="only there it can be told what a dead process has read"),
]


def children_of(process: WorkerProcess, count: int) -> list[int]:
    """Wait until a worker has so many processes for jobs, and return them."""
    finished(sample.Returns().dispatch())

    def look() -> list[int]:
        found = [one.pid for one in psutil.Process(launcher_of(process)).children()]
        return found if len(found) == count else []

    return wait_until(look, message="all have started")


def until_handed_over(job: Job) -> None:
    wait_until(
        lambda: job.attempts.filter(started_at__isnull=False).exists(), message="handed over"
    )


def awaits_term(pid: int) -> bool:
    """Whether a stopped process will find a TERM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("ShdPnd:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def assert_nothing_was_spent_on_the_way(job: Job) -> None:
    assert (job.status, job.attempts_spent, job.interruptions) == (JobStatus.COMPLETED, 1, 0)
    assert job.attempts.count() == 1


def test_a_job_handed_to_a_dead_process_goes_to_another(worker: StartWorker) -> None:
    process = worker("--concurrency", "2", LEASE=60, BOOT_TIMEOUT=60)
    dead, _ = children_of(process, 2)
    launcher = launcher_of(process)
    os.kill(launcher, signal.SIGSTOP)  # Nobody tells that one is dead.
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: is_gone(dead), message="dead")
    jobs = [sample.Returns().dispatch() for _ in range(2)]
    for job in jobs:
        assert_nothing_was_spent_on_the_way(finished(job))
    os.kill(launcher, signal.SIGCONT)


def test_a_job_whose_process_dies_before_it_has_read_of_it_goes_to_another(
    worker: StartWorker,
) -> None:
    process = worker("--concurrency", "1", LEASE=60)
    (child,) = children_of(process, 1)
    os.kill(child, signal.SIGSTOP)
    job = sample.Returns().dispatch()
    until_handed_over(job)
    os.kill(child, signal.SIGKILL)
    assert_nothing_was_spent_on_the_way(finished(job))
    assert process.process.poll() is None


def test_a_job_cancelled_before_its_process_has_read_of_it_ends_at_once(
    worker: StartWorker, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = worker("--concurrency", "1", LEASE=60, KILL_GRACE=300)
    (child,) = children_of(process, 1)
    os.kill(child, signal.SIGSTOP)
    job = sample.Sleeps(log=str(log)).dispatch()
    until_handed_over(job)
    assert job.cancel()
    wait_until(lambda: awaits_term(child), message="told to stop")
    os.kill(child, signal.SIGCONT)
    assert finished(job).status == JobStatus.CANCELLED
    assert not log.exists(), "handle() was begun"


def test_a_timeout_that_passes_before_its_process_has_read_of_it_spends_nothing(
    worker: StartWorker,
) -> None:
    process = worker("--concurrency", "1", LEASE=60, KILL_GRACE=300)
    (child,) = children_of(process, 1)
    os.kill(child, signal.SIGSTOP)
    job = MeasuresArgument().dispatch()
    assert_nothing_was_spent_on_the_way(finished(job))
    assert is_gone(child)


def test_a_job_whose_process_does_not_read_of_it_goes_to_another(worker: StartWorker) -> None:
    process = worker("--concurrency", "1", LEASE=60, BOOT_TIMEOUT=4)
    (child,) = children_of(process, 1)
    os.kill(child, signal.SIGSTOP)
    assert_nothing_was_spent_on_the_way(finished(sample.Returns().dispatch()))
    assert is_gone(child)


def test_an_order_too_long_for_a_process_that_reads_none_holds_up_nobody(
    worker: StartWorker, tmp_path: Path, settings: Any
) -> None:
    settings.BACKGROUND_JOB_ARGUMENTS_LIMIT = 2_000_000
    log = tmp_path / "log"
    process = worker("--concurrency", "2", LEASE=60, BOOT_TIMEOUT=60)
    pids = children_of(process, 2)
    beside = sample.Sleeps(log=str(log)).dispatch()
    (frozen,) = set(pids) - {pid_in(lines_of(log, 1)[0])}
    os.kill(frozen, signal.SIGSTOP)
    job = finished(MeasuresArgument(text="x" * 1_000_000).dispatch(), 40.0)
    assert job.result == 1_000_000
    assert_nothing_was_spent_on_the_way(job)
    assert is_gone(frozen)
    assert beside.attempts.get().status == AttemptStatus.RUNNING
