"""`failed()` runs at least once, whatever becomes of the processes it runs in."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from jobs.models import Attempt, Job
from jobs.states import JobStatus

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import StartWorker, finished, is_gone, launcher_of, lines_of, only_attempt, pid_in
from .schedule_jobs import FailsAtOnce

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


def until_entered(job: Job) -> Attempt:
    """Wait until it is entered that the hook of a failed job has run."""
    wait_until(
        lambda: job.attempts.filter(finished_at__isnull=False, hook_pending=False).exists(),
        message="the hook is entered as run",
    )
    return only_attempt(job)


def test_a_hook_that_a_lost_launcher_cut_off_runs_again(
    worker: StartWorker, log: Path, go: Path
) -> None:
    job = FailsAtOnce(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    (begun,) = lines_of(log, 1)
    os.kill(launcher_of(process), signal.SIGKILL)
    wait_until(lambda: is_gone(pid_in(begun)), message="cut off")
    go.touch()
    assert lines_of(log, 3)[2] == "hook ends"
    until_entered(job)
    assert process.process.poll() is None


def test_a_hook_that_a_shutdown_cut_off_is_run_by_the_next_worker(
    worker: StartWorker, log: Path, go: Path
) -> None:
    job = FailsAtOnce(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    lines_of(log, 1)
    process.send(signal.SIGTERM)
    wait_until(lambda: "draining" in process.output(), message=process.output)
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    assert only_attempt(job).hook_pending
    go.touch()
    worker("--concurrency", "1", LEASE=60)
    assert lines_of(log, 3)[2] == "hook ends"
    until_entered(job)


def test_what_a_hook_has_printed_stays_when_another_worker_runs_it_again(
    worker: StartWorker, log: Path, go: Path
) -> None:
    job = FailsAtOnce(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    (first,) = lines_of(log, 1)
    wait_until(lambda: "hook of" in only_attempt(job).output, message="stored")
    process.send(signal.SIGKILL)
    wait_until(lambda: is_gone(pid_in(first)), message="cut off")
    go.touch()
    worker("--concurrency", "1", LEASE=60)
    second = lines_of(log, 3)[1]
    attempt = until_entered(job)
    assert attempt.output == f"hook of {pid_in(first)}\nhook of {pid_in(second)}\n"
    assert attempt.output_bytes == len(attempt.output)


def test_a_hook_that_ends_its_launchers_is_not_run_for_ever(
    worker: StartWorker, log: Path, go: Path
) -> None:
    job = FailsAtOnce(log=str(log), go=str(go), kills=True).dispatch()
    worker("--concurrency", "1", LEASE=60)
    until_entered(job)
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    assert len(lines_of(log, 2)) == 2
