"""Two connections that want the same job: whatever the order, one of them gets it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction

from jobs.lifecycle import changing, claiming, dispatching, leasing
from jobs.lifecycle.engines import Engine
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus
from tests.factories import make_worker

from .acting import QUEUES, Other, at_once, claim, claim_new, dispatch, spec, stored

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_job_is_claimed_twice() -> None:
    dispatching.dispatch([spec(priority=n % 3) for n in range(200)])
    workers = [make_worker() for _ in range(4)]

    def drain(engine: Engine) -> list[int]:
        worker, mine = workers.pop(), []
        while Job.objects.filter(status=JobStatus.QUEUED).exists():
            mine += [one.job_id for one in claiming.claim(engine, worker.pk, QUEUES, 3)]
        return mine

    counted = Counter(job_id for mine in at_once(4, drain) for job_id in mine)
    assert len(counted) == 200
    assert set(counted.values()) == {1}
    assert Attempt.objects.count() == 200


def test_one_job_asked_for_by_its_id_is_claimed_once(worker: Worker) -> None:
    job = dispatch()
    claims = at_once(5, lambda engine: claiming.claim_job(engine, worker.pk, job.pk))
    assert len([one for one in claims if one]) == 1
    assert Attempt.objects.count() == 1


def test_a_claimer_passes_over_what_another_is_taking(
    several_writers: None, worker: Worker, other_worker: Worker
) -> None:
    first, second = dispatch(), dispatch()
    with transaction.atomic():
        assert [one.job_id for one in claim(worker)] == [first.pk]
        other = Other(lambda engine: claiming.claim(engine, other_worker.pk, QUEUES, 1))
        assert [one.job_id for one in other.result()] == [second.pk]


def test_a_claim_that_is_rolled_back_leaves_the_job_queued(worker: Worker) -> None:
    job = dispatch()
    with transaction.atomic():
        assert claim(worker)
        transaction.set_rollback(True)
    assert stored(job.pk).status == JobStatus.QUEUED
    assert not Attempt.objects.exists()


def test_promoters_meet_without_waiting_or_counting_twice(engine: Engine) -> None:
    dispatching.dispatch([spec(delay=60)] * 300)
    Job.objects.update(run_at=engine.now() - timedelta(seconds=1))
    assert sum(at_once(4, claiming.promote)) == 300
    assert Job.objects.filter(status=JobStatus.QUEUED).count() == 300


def test_a_cancel_during_a_claim_is_asked_of_the_running_job(worker: Worker) -> None:
    job = dispatch()
    with transaction.atomic():
        claim(worker)
        other = Other(lambda engine: changing.cancel(job.pk))
        other.wait_until_blocked()
    assert other.result()
    job.refresh_from_db()
    assert job.is_cancelling
    assert job.audit.get().status == JobStatus.RUNNING


def test_a_claim_during_a_cancel_gets_nothing(worker: Worker) -> None:
    job = dispatch()
    with transaction.atomic():
        assert changing.cancel(job.pk)
        other = Other(lambda engine: claiming.claim(engine, worker.pk, QUEUES, 1))
        assert other.began.wait(20)
    assert other.result() == []
    assert stored(job.pk).status == JobStatus.CANCELLED


def test_a_cancel_while_a_job_is_given_back_cancels_it(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        claiming.unclaim(engine, worker.pk, [one])
        other = Other(lambda engine: changing.cancel(one.job_id))
        other.wait_until_blocked()
    assert other.result()
    assert stored(one.job_id).status == JobStatus.CANCELLED


def test_a_job_given_back_while_it_is_cancelled_ends(worker: Worker) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        assert changing.cancel(one.job_id)
        other = Other(lambda engine: claiming.unclaim(engine, worker.pk, [one]))
        other.wait_until_blocked()
    assert other.result() == 1
    assert stored(one.job_id).status == JobStatus.CANCELLED


def test_a_worker_that_is_being_declared_lost_claims_nothing(
    worker: Worker, engine: Engine
) -> None:
    job = dispatch()
    with transaction.atomic():
        assert leasing.rescue(engine, worker.pk, gone=True) == []
        other = Other(lambda engine: claiming.claim(engine, worker.pk, QUEUES, 1))
        assert other.began.wait(20)
    assert other.result() == []
    assert stored(job.pk).status == JobStatus.QUEUED


def test_what_a_worker_claims_before_it_is_declared_lost_is_rescued(worker: Worker) -> None:
    job = dispatch()
    with transaction.atomic():
        assert len(claim(worker)) == 1
        other = Other(lambda engine: leasing.rescue(engine, worker.pk, gone=True))
        other.wait_until_blocked()
    assert [settled.job_id for settled in other.result()] == [job.pk]
    assert Attempt.objects.get().status == AttemptStatus.RELEASED
    assert stored(job.pk).status == JobStatus.QUEUED
