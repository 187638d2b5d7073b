"""What jobs and machines do to a worker, which has to go on all the same."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction

from jobs.models import Job
from jobs.states import AttemptStatus, JobStatus, Reason

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from ..waiting import DEADLINE, wait_until
from . import stubborn_jobs as stubborn
from .conftest import StartWorker, finished, is_gone, lines_of, only_attempt, pid_in

pytestmark = pytest.mark.usefixtures("live_database")


def run_another() -> None:
    """Dispatch a job and wait for it, on a connection of this thread."""
    try:
        assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    finally:
        connection.close()


def has_begun(job: Job) -> bool:
    return job.attempts.filter(started_at__isnull=False).exists()


@pytest.mark.once
def test_a_job_is_cancelled_in_the_middle_of_a_long_record(worker: StartWorker) -> None:
    job = stubborn.Shouts().dispatch()
    process = worker("--concurrency", "1", KILL_GRACE=5)
    wait_until(lambda: has_begun(job), message="shouts")
    job.cancel()
    assert finished(job).status == JobStatus.CANCELLED
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    assert process.process.poll() is None


@pytest.mark.once
def test_records_of_several_threads_do_not_get_mixed_up(worker: StartWorker) -> None:
    job = stubborn.Shouts(seconds=1.0, threads=4).dispatch()
    worker("--concurrency", "1")
    assert finished(job).status == JobStatus.COMPLETED
    texts = {line.text for line in only_attempt(job).lines}
    assert {text.strip("x\n").strip() for text in texts} == {"tests.worker.stubborn_jobs:"}


@pytest.mark.once
def test_a_child_that_speaks_nonsense_is_ended_alone(worker: StartWorker) -> None:
    job = stubborn.SpeaksNonsense().dispatch()
    process = worker("--concurrency", "1")
    assert finished(job).status == JobStatus.FAILED
    assert only_attempt(job).reason == Reason.BROKEN
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    assert process.process.poll() is None


@pytest.mark.once
@pytest.mark.parametrize("what", ["executor", "stdout object", "alarm", "signal mask"])
def test_what_a_job_leaves_in_python_does_not_reach_the_next(
    worker: StartWorker, what: str
) -> None:
    first = stubborn.Leaks(what=what).dispatch()
    worker("--concurrency", "1")
    finished(first)
    second = finished(stubborn.Leaks(what="nothing").dispatch())
    assert second.status == JobStatus.COMPLETED
    assert first.result != second.result


def test_what_the_fuse_has_ended_is_given_back_unspent(worker: StartWorker, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = sample.Sleeps(log=str(log)).dispatch()
    process = worker("--concurrency", "1", LEASE=3, BEAT=0.5)
    (started,) = lines_of(log, 1)
    wait_until(lambda: has_begun(job), message="started")
    process.send(signal.SIGSTOP)
    wait_until(lambda: is_gone(pid_in(started)), DEADLINE, "the fuse has blown")
    process.send(signal.SIGCONT)
    wait_until(
        lambda: job.attempts.filter(number=1).exclude(status=AttemptStatus.RUNNING).exists(),
        message="the attempt is closed",
    )
    job.refresh_from_db()
    assert job.attempts.get(number=1).status == AttemptStatus.RELEASED
    assert job.attempts_spent == 0


# The second one begins when its start has been recorded: what it holds up then is the beat.
@pytest.mark.parametrize("after", [0.0, 0.7])
def test_a_transaction_longer_than_the_lease_costs_no_attempt(
    worker: StartWorker, after: float
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite is locked as a whole")
    job = stubborn.HoldsTransaction(seconds=9.0, after=after).dispatch()
    worker("--concurrency", "1", LEASE=8, BEAT=1)
    assert finished(job, 60.0).status == JobStatus.COMPLETED
    assert job.attempts.count() == 1


@pytest.mark.parametrize("listen", [1, 0], ids=["listening", "as behind PgBouncer"])
def test_a_row_somebody_holds_stops_no_other_job(
    worker: StartWorker, tmp_path: Path, listen: int
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no locks of rows")
    job = sample.Sleeps(log=str(tmp_path / "log"), seconds=0.5).dispatch()
    process = worker("--concurrency", "2", LISTEN=listen)
    lines_of(tmp_path / "log", 1)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=job.pk)
        wait_until(lambda: "rows_held_by_others" in process.output(), message=process.output)
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(run_another).result()
    assert finished(job).status == JobStatus.COMPLETED
    assert "database_unreachable" not in process.output()


@pytest.mark.once
def test_an_idle_child_that_gets_a_signal_still_hears_its_next_order(worker: StartWorker) -> None:
    process = worker("--concurrency", "1")
    first = finished(unruly.LeavesBehind(what="nothing").dispatch())
    pid = int(first.result or 0)
    os.kill(pid, signal.SIGSTOP)
    job = unruly.LeavesBehind(what="nothing").dispatch()
    wait_until(lambda: has_begun(job), message="handed over")
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    assert finished(job).result == pid
    assert process.process.poll() is None


@pytest.mark.once
def test_a_launcher_that_is_stopped_is_replaced(worker: StartWorker, tmp_path: Path) -> None:
    process = worker("--concurrency", "1", BOOT_TIMEOUT=5, LEASE=60, BEAT=0.5)
    finished(sample.Returns().dispatch())
    (launcher,) = psutil.Process(process.pid).children()
    launcher.suspend()
    wait_until(lambda: is_gone(launcher.pid), DEADLINE, "the launcher is killed")
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED


@pytest.mark.once
def test_a_worker_short_of_processes_goes_on_with_those_it_has(worker: StartWorker) -> None:
    process = worker("--concurrency", "1")
    finished(sample.Returns().dispatch())
    (launcher,) = psutil.Process(process.pid).children()
    if os.geteuid() == 0:
        pytest.skip("root may start as many processes as it likes")
    launcher.rlimit(psutil.RLIMIT_NPROC, (1, 1))
    fresh = sample.NotesFresh(log=os.devnull).dispatch()
    wait_until(lambda: "fork_failed" in process.output(), message=process.output)
    launcher.rlimit(psutil.RLIMIT_NPROC, (-1, -1))
    assert finished(fresh, 60.0).status == JobStatus.COMPLETED
