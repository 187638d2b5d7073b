"""Whom the loss of a worker costs an attempt, and who runs beside whom afterwards."""

from __future__ import annotations

import pytest

from jobs.lifecycle import changing, claiming, leasing
from jobs.lifecycle.engines import Engine
from jobs.models import Job, Worker
from jobs.states import JobStatus, WorkerStatus

from .acting import QUEUES, dispatch, stored
from .test_rescuing import start

pytestmark = pytest.mark.django_db


def lose(worker: Worker, engine: Engine, free: int = 9) -> list[int]:
    """Have the worker run what it gets, and be lost by that. Returns the jobs that ran."""
    claims = claiming.claim(engine, worker.pk, QUEUES, free)
    for one in claims:
        start(worker, one, engine)
    leasing.rescue(engine, worker.pk, gone=True)
    Worker.objects.update(status=WorkerStatus.RUNNING)
    return [one.job_id for one in claims]


def wait_over() -> None:
    """Let the pauses of jobs be over."""
    waiting = Job.objects.filter(status__in=(JobStatus.SCHEDULED, JobStatus.RETRYING))
    waiting.update(status=JobStatus.QUEUED)


def test_those_beside_a_job_that_kills_its_workers_lose_nothing(
    worker: Worker, engine: Engine
) -> None:
    bad, *good = [dispatch(priority=9, max_attempts=3), *(dispatch() for _ in range(3))]
    starts = 0
    while not stored(bad.pk).is_finished:
        wait_over()
        starts += bad.pk in lose(worker, engine)
    assert starts == 4
    assert (stored(bad.pk).status, stored(bad.pk).attempts_spent) == (JobStatus.FAILED, 3)
    assert {stored(one.pk).attempts_spent for one in good} == {0}
    assert not any(stored(one.pk).is_finished for one in good)


def test_a_job_that_comes_later_is_not_charged_for_one_lost_before(
    worker: Worker, engine: Engine
) -> None:
    bad = dispatch(priority=9)
    lose(worker, engine)
    fresh = dispatch()
    assert set(lose(worker, engine)) == {bad.pk, fresh.pk}
    assert stored(fresh.pk).attempts_spent == 0
    assert stored(bad.pk).attempts_spent == 1


def test_a_worker_runs_one_suspect_at_a_time(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    suspects = [dispatch().pk for _ in range(3)]
    Job.objects.update(losses=2)
    fresh = dispatch().pk
    first = claiming.claim(engine, worker.pk, QUEUES, 9)
    assert {one.job_id for one in first} == {suspects[0], fresh}
    wait_over()
    assert claiming.claim(engine, worker.pk, QUEUES, 9) == []
    wait_over()
    second = claiming.claim(engine, other_worker.pk, QUEUES, 9)
    assert [one.job_id for one in second] == [suspects[1]]
    waiting = stored(suspects[2])
    assert waiting.status == JobStatus.SCHEDULED
    assert (waiting.attempts_made, waiting.attempts_spent) == (0, 0)
    assert waiting.run_at > engine.now()


def test_a_retry_by_hand_begins_without_suspicion(worker: Worker, engine: Engine) -> None:
    job = dispatch(max_attempts=1)
    for _ in range(2):
        lose(worker, engine)
    assert stored(job.pk).status == JobStatus.FAILED
    changing.retry(job.pk)
    assert stored(job.pk).losses is None


def test_a_job_that_kills_before_its_start_is_recorded_has_no_start_to_spare(
    worker: Worker, engine: Engine
) -> None:
    bad, *others = [dispatch(priority=9), *(dispatch() for _ in range(3))]
    Worker.objects.update(concurrency=2)
    claiming.claim(engine, worker.pk, QUEUES, 9)
    leasing.rescue(engine, worker.pk, gone=True)
    assert stored(bad.pk).losses == 1
    assert [stored(one.pk).losses for one in others] == [1, None, None]
