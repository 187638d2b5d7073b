"""Stopping what runs: cancel, timeout, and the processes that would rather stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.models import Attempt, Job
from jobs.states import AttemptStatus, JobStatus, Reason

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from ..waiting import DEADLINE, wait_until
from .conftest import StartWorker, finished, is_gone, lines_of, only_attempt, pid_in

pytestmark = [pytest.mark.usefixtures("live_database"), pytest.mark.once]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def cancelled_while_running(job: Job, log: Path) -> Attempt:
    """Cancel a job once it has noted its start, and return its attempt when it has ended."""
    lines_of(log, 1)
    assert job.cancel()
    finished(job)
    assert job.status == JobStatus.CANCELLED
    return only_attempt(job)


@pytest.mark.parametrize("job_class", [sample.Sleeps, sample.SleepsAsync])
def test_cancel_is_raised_inside_handle(
    worker: StartWorker, log: Path, job_class: type[sample.Sleeps]
) -> None:
    job = job_class(log=str(log)).dispatch()
    worker()
    attempt = cancelled_while_running(job, log)
    assert (attempt.status, attempt.reason) == (AttemptStatus.CANCELLED, Reason.CANCELLED)
    started, noted = lines_of(log, 2)
    assert noted == "cancelled"
    assert is_gone(pid_in(started))


def test_a_receipt_says_how_a_job_was_stopped(worker: StartWorker, log: Path) -> None:
    job = sample.Sleeps(log=str(log)).dispatch()
    worker()
    attempt = cancelled_while_running(job, log)
    receipt = attempt.receipt
    assert receipt is not None
    assert [step["signal"] for step in receipt["steps"]] == ["SIGTERM", "SIGKILL"]
    assert attempt.pid in receipt["steps"][0]["pids"]
    assert receipt["why"] == "cancelled"
    assert receipt["survivors"] == []
    assert receipt["requested_at"] <= receipt["verified_at"]


def test_a_job_that_swallows_its_cancel_is_cancelled_all_the_same(
    worker: StartWorker, log: Path
) -> None:
    job = sample.SwallowsCancel(log=str(log)).dispatch()
    worker()
    assert cancelled_while_running(job, log).status == AttemptStatus.CANCELLED
    assert job.result is None


def test_a_job_that_ignores_the_signal_is_killed_after_its_grace(
    worker: StartWorker, log: Path
) -> None:
    job = unruly.IgnoresTerm(log=str(log)).dispatch()
    worker(KILL_GRACE=0.5)
    attempt = cancelled_while_running(job, log)
    assert attempt.signal == 9
    assert is_gone(pid_in(lines_of(log, 1)[0]))


def test_a_daemon_that_a_cancelled_job_has_left_is_killed_with_it(
    worker: StartWorker, log: Path
) -> None:
    job = unruly.StartsDaemon(log=str(log)).dispatch()
    worker()
    lines_of(log, 2)
    cancelled_while_running(job, log)
    pids = [pid_in(line) for line in log.read_text().splitlines() if "cancel" not in line]
    wait_until(lambda: all(map(is_gone, pids)), DEADLINE, lambda: f"{pids} still run")


def test_a_daemon_that_a_completed_job_has_left_is_killed(worker: StartWorker, log: Path) -> None:
    job = unruly.StartsDaemon(log=str(log), seconds=0).dispatch()
    worker()
    assert finished(job).status == JobStatus.COMPLETED
    daemon, _ = lines_of(log, 2)
    wait_until(lambda: is_gone(pid_in(daemon)), DEADLINE, "the daemon still runs")


def test_a_daemon_of_a_job_that_died_is_killed(worker: StartWorker, log: Path) -> None:
    job = unruly.StartsDaemon(log=str(log), seconds=600).dispatch()
    worker(MAX_ATTEMPTS=1)
    daemon, started = lines_of(log, 2)
    import os

    os.kill(pid_in(started), 9)
    wait_until(lambda: is_gone(pid_in(daemon)), DEADLINE, "the daemon still runs")
    wait_until(lambda: job.attempts.filter(signal=9).exists(), message="the attempt has ended")


def test_a_timeout_is_raised_inside_handle_and_is_a_failure(worker: StartWorker, log: Path) -> None:
    job = sample.SleepsShortly(log=str(log)).dispatch()
    worker()
    assert finished(job).status == JobStatus.FAILED
    assert job.error_type == "JobTimeout"
    attempt = only_attempt(job)
    assert (attempt.status, attempt.reason) == (AttemptStatus.FAILED, Reason.TIMEOUT)
    assert attempt.error_message == "the job ran for longer than 0.5 s"
    assert lines_of(log, 2)[1] == "timeout"


def test_a_cancelled_job_is_not_retried_though_attempts_are_left(
    worker: StartWorker, log: Path
) -> None:
    job = unruly.IgnoresTerm(log=str(log)).dispatch()
    process = worker(KILL_GRACE=0.2, MAX_ATTEMPTS=5)
    cancelled_while_running(job, log)
    canary = sample.Returns(value=1).dispatch()
    finished(canary)
    job.refresh_from_db()
    assert (job.status, job.attempts.count()) == (JobStatus.CANCELLED, 1)
    assert process.process.poll() is None


def test_a_signal_from_somebody_else_does_not_stop_a_job(worker: StartWorker, log: Path) -> None:
    import os

    job = sample.Sleeps(log=str(log), seconds=1.0).dispatch()
    worker()
    os.kill(pid_in(lines_of(log, 1)[0]), 15)
    assert finished(job).status == JobStatus.COMPLETED
