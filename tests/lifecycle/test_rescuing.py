from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from jobs.lifecycle import changing, finishing, leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.records import Claim
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus, Reason, WorkerStatus

from .acting import Other, at_once, begin, claim, claim_new, dispatch, finish, outcome, stored
from .job_classes import SaysGoodbye
from .test_leasing import expire

pytestmark = pytest.mark.django_db


def start(worker: Worker, one: Claim, engine: Engine) -> None:
    begin(engine, worker, one, engine.now(), 4711)


def test_a_worker_whose_lease_holds_is_left_alone(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    assert leasing.rescue(engine, worker.pk) is None
    assert stored(one.job_id).status == JobStatus.RUNNING


def test_a_worker_whose_lease_is_over_is_declared_lost(worker: Worker, engine: Engine) -> None:
    expire(worker, engine)
    assert leasing.rescue(engine, worker.pk) == []
    worker.refresh_from_db()
    assert worker.status == WorkerStatus.LOST
    assert worker.stopped_at is not None


def test_a_worker_whose_process_is_gone_is_declared_lost_at_once(
    worker: Worker, engine: Engine
) -> None:
    assert leasing.rescue(engine, worker.pk, gone=True) == []


def test_a_worker_is_declared_lost_once(worker: Worker, engine: Engine) -> None:
    leasing.rescue(engine, worker.pk, gone=True)
    assert leasing.rescue(engine, worker.pk, gone=True) is None


def test_a_lost_worker_cannot_prolong_its_lease(worker: Worker, engine: Engine) -> None:
    leasing.rescue(engine, worker.pk, gone=True)
    assert not leasing.renew(engine, worker.pk, 60, draining=False)


def test_what_had_not_started_is_given_back_unspent(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    leasing.rescue(engine, worker.pk, gone=True)
    job, attempt = stored(one.job_id), Attempt.objects.get()
    assert (job.status, job.attempts_spent, job.interruptions) == (JobStatus.QUEUED, 0, 1)
    assert (attempt.status, attempt.reason) == (AttemptStatus.RELEASED, Reason.WORKER_LOST)


def test_a_job_that_kills_its_worker_runs_out_of_attempts(worker: Worker, engine: Engine) -> None:
    job = dispatch(max_attempts=2)
    ends = []
    for _ in range(3):
        [one] = claim(worker)
        start(worker, one, engine)
        leasing.rescue(engine, worker.pk, gone=True)
        ends.append(stored(job.pk).status)
        Worker.objects.update(status=WorkerStatus.RUNNING)
        Job.objects.filter(status=JobStatus.RETRYING).update(status=JobStatus.QUEUED)
    assert ends == [JobStatus.QUEUED, JobStatus.RETRYING, JobStatus.FAILED]
    job.refresh_from_db()
    assert (job.attempts_spent, job.attempts_made, job.interruptions) == (2, 3, 1)
    assert (job.error_type, job.error_message) == (
        "WorkerLost",
        "the worker that ran it disappeared",
    )


def test_a_cancelled_job_of_a_lost_worker_is_cancelled(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    start(worker, one, engine)
    changing.cancel(one.job_id)
    leasing.rescue(engine, worker.pk, gone=True)
    assert stored(one.job_id).status == JobStatus.CANCELLED


def test_only_what_the_lost_worker_holds_is_taken(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    lost, done, others = claim_new(worker), claim_new(worker), claim_new(other_worker)
    finish(worker, done, AttemptStatus.COMPLETED)
    settled = leasing.rescue(engine, worker.pk, gone=True)
    assert settled is not None
    assert [one.attempt_id for one in settled] == [lost.attempt_id]
    assert stored(done.job_id).status == JobStatus.COMPLETED
    assert stored(others.job_id).status == JobStatus.RUNNING


def test_a_rescue_never_takes_time_backwards(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    start(worker, one, engine)
    leasing.rescue(engine, worker.pk, gone=True)
    attempt = Attempt.objects.get()
    assert attempt.finished_at is not None
    assert attempt.started_at is not None
    assert attempt.finished_at - attempt.started_at >= timedelta(0)


def test_the_hook_of_a_job_that_failed_with_its_worker_is_due(
    worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker, job_class=SaysGoodbye.job_name, max_attempts=1)
    Job.objects.update(losses=1)
    start(worker, one, engine)
    settled = leasing.rescue(engine, worker.pk, gone=True)
    assert settled is not None
    assert settled[0].runs_hook
    assert Attempt.objects.get().hook_pending


@pytest.mark.django_db(transaction=True)
def test_of_several_rescuers_one_takes_it(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    expire(worker, engine)
    taken = at_once(5, lambda engine: leasing.rescue(engine, worker.pk))
    assert len([settled for settled in taken if settled is not None]) == 1
    assert stored(one.job_id).interruptions == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_prolongs_its_lease_in_time_is_not_rescued(
    worker: Worker, engine: Engine
) -> None:
    expire(worker, engine)
    with transaction.atomic():
        assert leasing.renew(engine, worker.pk, 60, draining=False)
        other = Other(lambda engine: leasing.rescue(engine, worker.pk))
        other.wait_until_blocked()
    assert other.result() is None
    worker.refresh_from_db()
    assert worker.status == WorkerStatus.RUNNING


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_comes_back_during_its_rescue_is_too_late(
    worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        leasing.rescue(engine, worker.pk, gone=True)
        other = Other(lambda engine: finish(worker, one, AttemptStatus.COMPLETED))
        other.wait_until_blocked()
    assert other.result() is None
    assert stored(one.job_id).status == JobStatus.QUEUED


@pytest.mark.django_db(transaction=True)
def test_an_outcome_written_during_a_rescue_counts(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        finish(worker, one, AttemptStatus.FAILED)
        other = Other(lambda engine: leasing.rescue(engine, worker.pk, gone=True))
        other.wait_until_blocked()
    assert other.result() == []
    assert Attempt.objects.get().reason == Reason.EXCEPTION
    assert stored(one.job_id).attempts_spent == 1


@pytest.mark.django_db(transaction=True)
def test_a_batch_of_outcomes_and_a_rescue_meet_without_a_deadlock(worker: Worker) -> None:
    for round_ in range(15):
        Worker.objects.update(status=WorkerStatus.RUNNING)
        for _ in range(12):
            dispatch()
        claims = claim(worker, free=12)
        kinds = [AttemptStatus.FAILED, AttemptStatus.COMPLETED]
        told = [outcome(one, kinds[(one.job_id + round_) % 2]) for one in claims]
        acts: list[Callable[[Engine], Any]] = [
            partial(finishing.finish, worker=worker.pk, outcomes=told),
            partial(leasing.rescue, dead=worker.pk, gone=True),
        ]
        at_once(2, lambda engine: acts.pop()(engine))  # noqa: B023
        assert not Attempt.objects.filter(status=AttemptStatus.RUNNING).exists()
        assert not Job.objects.filter(status=JobStatus.RUNNING).exists()
        Job.objects.filter(status=JobStatus.QUEUED).delete()
