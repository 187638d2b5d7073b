"""A worker that is told to stop finishes what it has, or gives it back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from jobs.models import Worker
from jobs.states import AttemptStatus, JobStatus, Reason, WorkerStatus

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import StartWorker, WorkerProcess, finished, is_gone, lines_of, only_attempt, pid_in

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def settled(process: WorkerProcess) -> None:
    """Wait until a worker is ready for work."""
    finished(sample.Returns().dispatch())
    assert process.process.poll() is None


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.once)]
)
def test_running_jobs_are_finished_and_none_is_begun(
    worker: StartWorker, log: Path, number: int
) -> None:
    running = sample.Sleeps(log=str(log), seconds=2).dispatch()
    process = worker("--concurrency", "1")
    lines_of(log, 1)
    process.send(number)
    wait_until(
        lambda: Worker.objects.filter(status=WorkerStatus.DRAINING).exists(), message="drains"
    )
    later = sample.Returns().dispatch()
    assert process.ended() == 0, process.output()
    running.refresh_from_db()
    later.refresh_from_db()
    assert (running.status, later.status) == (JobStatus.COMPLETED, JobStatus.QUEUED)
    assert Worker.objects.get().status == WorkerStatus.STOPPED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("TERM", "TERM"),
        pytest.param("TERM", "INT", marks=pytest.mark.once),
        pytest.param("INT", "TERM", marks=pytest.mark.once),
    ],
)
def test_a_second_signal_gives_running_jobs_back_unspent(
    worker: StartWorker, log: Path, first: str, second: str
) -> None:
    job = sample.Sleeps(log=str(log)).dispatch()
    process = worker()
    (started,) = lines_of(log, 1)
    process.send(signal.Signals[f"SIG{first}"])
    wait_until(lambda: "draining" in process.output(), message="drains")
    process.send(signal.Signals[f"SIG{second}"])
    assert process.ended() == 0, process.output()
    job.refresh_from_db()
    assert (job.status, job.attempts_spent, job.interruptions) == (JobStatus.QUEUED, 0, 1)
    attempt = only_attempt(job)
    assert (attempt.status, attempt.reason) == (AttemptStatus.RELEASED, Reason.SHUTDOWN)
    assert is_gone(pid_in(started))


def test_jobs_that_outlast_the_drain_are_given_back(worker: StartWorker, log: Path) -> None:
    job = sample.Sleeps(log=str(log)).dispatch()
    process = worker(DRAIN_TIMEOUT=0.5)
    lines_of(log, 1)
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    job.refresh_from_db()
    assert (job.status, job.interruptions) == (JobStatus.QUEUED, 1)


@pytest.mark.once
def test_an_idle_worker_leaves_no_process_behind(worker: StartWorker) -> None:
    process = worker()
    settled(process)
    below = [one.pid for one in process.tree()]
    assert below
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    assert all(map(is_gone, below))


@pytest.mark.once
def test_a_signal_during_start_up_ends_it_and_all_below_it(worker: StartWorker) -> None:
    process = worker()
    wait_until(lambda: "Worker" in process.output(), message="has begun")
    below = [one.pid for one in process.tree()]
    process.send(signal.SIGTERM)
    assert process.ended() in (0, -signal.SIGTERM)
    wait_until(lambda: all(map(is_gone, below)), message="the launcher is gone")


def test_a_job_given_back_is_run_by_the_next_worker(worker: StartWorker, log: Path) -> None:
    job = sample.SleepsAtFirst(log=str(log)).dispatch()
    process = worker()
    lines_of(log, 1)
    process.send(signal.SIGTERM)
    process.send(signal.SIGINT)
    process.ended()
    worker()
    assert finished(job).status == JobStatus.COMPLETED
