"""Workers obey what somebody asks for on the dashboard: pauses of queues, and to leave."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from jobs.lifecycle import leasing, pausing
from jobs.lifecycle.records import Claim
from jobs.models import Attempt, Job, Worker
from jobs.states import JobStatus, WorkerStatus
from jobs.worker import events
from jobs.worker.bell import Bell
from jobs.worker.handover import Handover
from jobs.worker.pool import Pool
from jobs.worker.quickness import Quickness

from .. import sample_jobs as sample
from ..pgbouncer import not_through_it
from ..waiting import wait_until
from .conftest import StartWorker, finished, lines_of

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_the_jobs_of_a_paused_queue_wait_and_those_of_others_run(worker: StartWorker) -> None:
    pausing.pause("mail")
    waiting = sample.Returns().dispatch(queue="mail")
    worker()
    finished(sample.Returns().dispatch())
    finished(sample.Returns().dispatch())
    waiting.refresh_from_db()
    assert (waiting.status, waiting.attempts_made) == (JobStatus.QUEUED, 0)
    pausing.resume("mail")
    assert finished(waiting).status == JobStatus.COMPLETED


def test_a_pause_reaches_a_worker_that_is_at_work(worker: StartWorker, log: Path) -> None:
    running = sample.Sleeps(log=str(log), seconds=2).dispatch()
    worker("--concurrency", "1")
    lines_of(log, 1)
    pausing.pause("default")
    later = sample.Returns().dispatch()
    assert finished(running).status == JobStatus.COMPLETED
    other = sample.Returns().dispatch(queue="other")
    finished(other)
    later.refresh_from_db()
    assert later.status == JobStatus.QUEUED


@not_through_it("workers poll")
def test_a_worker_that_listens_hears_of_a_pause_at_once(worker: StartWorker) -> None:
    if connection.vendor == "mysql":
        pytest.skip("workers poll there")
    worker(POLL_INTERVAL=60)
    finished(sample.Returns().dispatch())
    pausing.pause("default")
    job = sample.Returns().dispatch()
    finished(sample.Returns().dispatch(queue="other"))
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    pausing.resume("default")
    finished(job)


def test_a_pause_ends_by_itself(worker: StartWorker) -> None:
    pausing.pause("default", until=timezone.now() + timedelta(seconds=3))
    job = sample.Returns().dispatch()
    worker()
    assert finished(job).status == JobStatus.COMPLETED
    assert job.started_at is not None
    assert job.started_at >= job.created_at + timedelta(seconds=2)


def test_what_was_claimed_ahead_of_a_paused_queue_is_given_back_unspent(
    worker: StartWorker, log: Path
) -> None:
    worker("--concurrency", "1", CLAIM_AHEAD=50)
    for job in sample.Returns.dispatch_many([sample.Returns() for _ in range(100)]):
        finished(job)
    sample.Sleeps(log=str(log), seconds=4).dispatch(priority=10)
    lines_of(log, 1)
    jobs = sample.Returns.dispatch_many([sample.Returns() for _ in range(20)])
    waiting = Job.objects.filter(id__in=[job.pk for job in jobs])
    wait_until(lambda: waiting.filter(status=JobStatus.RUNNING).exists(), message="claimed ahead")
    pausing.pause("default")
    wait_until(lambda: not waiting.filter(status=JobStatus.RUNNING).exists(), message="given back")
    assert set(waiting.values_list("attempts_made", "attempts_spent", "interruptions")) == {
        (0, 0, 0)
    }
    assert not Attempt.objects.filter(job__in=waiting).exists()
    pausing.resume("default")
    for job in jobs:
        assert finished(job).attempts_spent == 1


def test_only_what_waits_of_the_paused_queues_is_given_back() -> None:
    posted: list[events.Posted] = []
    handover = Handover(Pool(1, Bell()), posted.append, timezone.now, Quickness(), None)
    mail, other = (claim_of(queue) for queue in ("mail", "other"))
    handover.add([mail, other])
    handover.give_back_of(frozenset({"mail", "unknown"}))
    handover.give_back_of(frozenset({"unknown"}))
    assert list(handover.ready) == [other]
    assert posted == [events.GivenBack([mail])]


def claim_of(queue: str) -> Claim:
    return Claim(1, 1, 1, "shop.SendInvoice", queue, 0, timezone.now(), "{}", 0, 3, 0)


def test_a_worker_that_waits_for_due_jobs_leaves_a_paused_queue_at_the_end_of_its_burst(
    worker: StartWorker,
) -> None:
    pausing.pause("default")
    job = sample.Returns().dispatch()
    assert worker("--burst").ended() == 0
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED


def test_a_drained_worker_finishes_what_it_runs_and_leaves(worker: StartWorker, log: Path) -> None:
    running = sample.Sleeps(log=str(log), seconds=3).dispatch()
    process = worker("--concurrency", "1", DRAIN_TIMEOUT=0.5)
    lines_of(log, 1)
    assert leasing.drain(Worker.objects.get().pk)
    wait_until(lambda: Worker.objects.get().status == WorkerStatus.DRAINING, message="drains")
    later = sample.Returns().dispatch()
    assert process.ended() == 0, process.output()
    running.refresh_from_db()
    later.refresh_from_db()
    # It may take longer than a worker has that is told to stop by a signal.
    assert (running.status, later.status) == (JobStatus.COMPLETED, JobStatus.QUEUED)
    assert Worker.objects.get().status == WorkerStatus.STOPPED


def test_an_idle_worker_that_is_drained_leaves_at_once(worker: StartWorker) -> None:
    process = worker()
    finished(sample.Returns().dispatch())
    began = time.monotonic()
    leasing.drain(Worker.objects.get().pk)
    assert process.ended() == 0, process.output()
    assert time.monotonic() - began < 15


def test_a_signal_limits_the_time_of_a_drain(worker: StartWorker, log: Path) -> None:
    job = sample.Sleeps(log=str(log)).dispatch()
    process = worker(DRAIN_TIMEOUT=0.5)
    lines_of(log, 1)
    leasing.drain(Worker.objects.get().pk)
    wait_until(lambda: "draining" in process.output(), message="drains")
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    job.refresh_from_db()
    assert (job.status, job.interruptions) == (JobStatus.QUEUED, 1)


def test_a_worker_says_what_it_uses_itself(worker: StartWorker) -> None:
    worker()
    wait_until(lambda: Worker.objects.filter(rss__gt=1_000_000).exists(), message="a heartbeat")
    assert (Worker.objects.get().cpu_seconds or 0) > 0


def test_a_job_of_a_paused_queue_that_somebody_executes_runs(command: StartWorker) -> None:
    pausing.pause("default")
    job = sample.Returns().dispatch()
    process = command("execute", str(job.pk))
    assert process.ended() == 0, process.output()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
