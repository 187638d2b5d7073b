"""Workers and launchers that die: what they held is run again, and nothing of it runs on."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction

from jobs.lifecycle.engines import engine_for
from jobs.models import Job, Worker
from jobs.states import AttemptStatus, JobStatus, Reason, WorkerStatus

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from ..waiting import DEADLINE, wait_until
from .conftest import StartWorker, finished, is_gone, lines_of, pid_in

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_the_jobs_of_a_killed_worker_end_with_it(worker: StartWorker, log: Path) -> None:
    unruly.StartsDaemon(log=str(log)).dispatch()
    process = worker()
    pids = [pid_in(line) for line in lines_of(log, 2)]
    below = [one.pid for one in process.tree()]
    process.send(signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, [*pids, *below])), DEADLINE, lambda: f"{pids} {below}")


def test_another_worker_of_the_host_runs_them_again_at_once(worker: StartWorker, log: Path) -> None:
    job = sample.SleepsAtFirst(log=str(log)).dispatch()
    first = worker(LEASE=600)
    lines_of(log, 1)
    wait_until(lambda: job.attempts.filter(started_at__isnull=False).exists(), message="started")
    first.send(signal.SIGKILL)
    first.ended()
    worker(LEASE=600)
    assert finished(job).status == JobStatus.COMPLETED
    lost, won = job.attempts.order_by("number")
    assert (lost.status, lost.reason) == (AttemptStatus.RELEASED, Reason.WORKER_LOST)
    assert won.status == AttemptStatus.COMPLETED
    assert (job.attempts_spent, job.interruptions) == (1, 1)
    assert Worker.objects.filter(status=WorkerStatus.LOST).count() == 1


def test_a_row_somebody_holds_stops_neither_worker_nor_the_rescue_of_others(
    worker: StartWorker, log: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no locks of rows")
    held, free = (sample.SleepsAtFirst(log=str(log)).dispatch(queue=name) for name in "ab")
    dead = [worker("--queues", name, LEASE=600) for name in "ab"]
    lines_of(log, 2)
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=held.pk)
        for one in dead:
            one.send(signal.SIGKILL)
            one.ended()
        other = worker(LEASE=600)
        wait_until(lambda: "duty_put_off" in other.output(), message=other.output)
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(status_in_the_end, free.pk).result() == JobStatus.COMPLETED
    assert finished(held).status == JobStatus.COMPLETED
    assert "database_unreachable" not in other.output()


def status_in_the_end(pk: int) -> str:
    """Wait for a job, and for one dispatched now, on a connection of this thread."""
    try:
        finished(sample.Returns().dispatch())
        return finished(Job.objects.get(pk=pk)).status
    finally:
        connection.close()


def test_a_worker_of_another_host_is_waited_for_until_its_lease_is_over(
    worker: StartWorker, log: Path
) -> None:
    job = sample.SleepsAtFirst(log=str(log)).dispatch()
    first = worker(LEASE=600)
    lines_of(log, 1)
    first.send(signal.SIGKILL)
    first.ended()
    Worker.objects.update(host_id="another machine")
    worker(LEASE=2, BEAT=0.3)
    finished(sample.Returns().dispatch())
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    for dead in Worker.objects.filter(host_id="another machine"):
        dead.lease_expires_at -= timedelta(hours=1)
        dead.save(update_fields=["lease_expires_at"])
    assert finished(job).status == JobStatus.COMPLETED


def test_a_worker_declared_lost_ends_its_jobs_and_goes_on_as_a_new_one(
    worker: StartWorker, log: Path
) -> None:
    job = sample.Sleeps(log=str(log)).dispatch()
    process = worker()
    (started,) = lines_of(log, 1)
    Worker.objects.update(status=WorkerStatus.LOST)
    wait_until(lambda: is_gone(pid_in(started)), message="its job has ended")
    canary = sample.Returns().dispatch()
    assert finished(canary).status == JobStatus.COMPLETED
    assert Worker.objects.filter(status=WorkerStatus.RUNNING).count() == 1
    assert process.process.poll() is None
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING, "whoever declared it lost decides about its jobs"


def test_a_frozen_worker_loses_its_jobs_before_its_lease_is_over(
    worker: StartWorker, log: Path
) -> None:
    sample.Sleeps(log=str(log)).dispatch()
    process = worker(LEASE=4, BEAT=0.5)
    (started,) = lines_of(log, 1)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: is_gone(pid_in(started)), DEADLINE, "the fuse has blown")
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_a_lost_launcher_is_replaced_and_its_jobs_run_again(worker: StartWorker, log: Path) -> None:
    job = sample.SleepsAtFirst(log=str(log)).dispatch()
    process = worker()
    (started,) = lines_of(log, 1)
    (launcher,) = psutil.Process(process.pid).children()
    launcher.kill()
    assert finished(job).status == JobStatus.COMPLETED
    first = job.attempts.get(number=1)
    assert (first.status, first.reason) == (AttemptStatus.RELEASED, Reason.LAUNCHER_LOST)
    assert is_gone(pid_in(started))
    assert process.process.poll() is None


def test_jobs_of_a_lost_launcher_go_to_a_worker_that_has_processes(
    worker: StartWorker, log: Path
) -> None:
    sample.Sleeps.dispatch_many(sample.Sleeps(log=str(log)) for _ in range(2))
    process = worker()
    lines_of(log, 2)
    other = worker()
    wait_until(lambda: len(other.tree()) == 3, message="launcher and two processes")
    (launcher,) = psutil.Process(process.pid).children()
    launcher.kill()
    again = {pid_in(line) for line in lines_of(log, 4)[2:]}
    assert again <= {one.pid for one in other.tree()}


def test_a_job_that_kills_its_launcher_runs_out_of_attempts(worker: StartWorker, log: Path) -> None:
    job = unruly.KillsLauncher(log=str(log)).dispatch()
    worker("--concurrency", "1")
    assert finished(job, 60.0).status == JobStatus.FAILED
    assert len(log.read_text().splitlines()) == unruly.KillsLauncher.max_attempts + 1


def test_what_a_killed_worker_had_not_started_costs_no_attempt(
    worker: StartWorker, log: Path
) -> None:
    quick = sample.Notes.dispatch_many(sample.Notes(log=str(log)) for _ in range(20))
    first = worker("--concurrency", "1")
    finished(quick[-1])
    jobs = sample.Notes.dispatch_many(sample.Notes(log=str(log), seconds=0.3) for _ in range(6))
    lines_of(log, 22)
    first.send(signal.SIGKILL)
    first.ended()
    worker("--concurrency", "2")
    for job in jobs:
        assert finished(job).status == JobStatus.COMPLETED
        assert job.attempts_spent == 1


def test_a_worker_declared_lost_while_its_processes_start_keeps_as_many_as_it_should(
    worker: StartWorker,
) -> None:
    process = worker(START_METHOD="exec")
    wait_until(lambda: "worker_registered" in process.output(), message=process.output)
    Worker.objects.update(status=WorkerStatus.LOST)
    wait_until(lambda: "lease_lost" in process.output(), message=process.output)
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    (launcher,) = psutil.Process(process.pid).children()
    wait_until(lambda: len(launcher.children()) == 2, message=lambda: str(launcher.children()))


def test_a_claim_that_is_committed_after_its_worker_has_given_it_up_is_given_back(
    worker: StartWorker,
) -> None:
    """Its connection was lost, and the server has dealt with what it was sent a while later."""
    process = worker("--queues", "another")
    (row,) = wait_until(lambda: list(Worker.objects.all()), message=process.output)
    job = sample.Returns().dispatch()
    engine = engine_for()
    with transaction.atomic():
        (claim,) = engine.claim(row.pk, ["default"], 1, 0, ())
    assert claim.job_id == job.pk
    wait_until(lambda: not job.attempts.exists(), message=process.output)
    job.refresh_from_db()
    assert (job.status, job.attempts_made) == (JobStatus.QUEUED, 0)
