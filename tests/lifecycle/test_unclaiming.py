from __future__ import annotations

from typing import Any

import pytest

from jobs.lifecycle import changing, claiming
from jobs.lifecycle.engines import Engine
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus

from .acting import claim, claim_new, dispatch, finish, stored

pytestmark = pytest.mark.django_db


def test_a_job_given_back_is_as_if_it_had_never_been_claimed(
    worker: Worker, engine: Engine
) -> None:
    before = dispatch()
    claims = claim(worker)
    assert claiming.unclaim(engine, worker.pk, claims) == 1
    after = stored(before.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(after, field.attname) == getattr(before, field.attname), field.attname
    assert not Attempt.objects.exists()


def test_the_next_claim_has_the_number_of_the_one_given_back(
    worker: Worker, engine: Engine
) -> None:
    dispatch()
    first = claim(worker)
    claiming.unclaim(engine, worker.pk, first)
    assert claim(worker)[0].number == first[0].number == 1


def test_a_job_asked_to_stop_is_cancelled_when_it_is_given_back(
    worker: Worker, engine: Engine
) -> None:
    one, other = claim_new(worker), claim_new(worker)
    changing.cancel(one.job_id)
    assert claiming.unclaim(engine, worker.pk, [one, other]) == 2
    cancelled = stored(one.job_id)
    assert cancelled.status == JobStatus.CANCELLED
    assert cancelled.finished_at is not None
    assert stored(other.job_id).status == JobStatus.QUEUED


def test_another_worker_gives_back_nothing(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    assert claiming.unclaim(engine, other_worker.pk, [one]) == 0
    assert stored(one.job_id).status == JobStatus.RUNNING
    assert Attempt.objects.get().status == AttemptStatus.RUNNING


def test_a_finished_attempt_cannot_be_given_back(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    finish(worker, one, AttemptStatus.COMPLETED)
    assert claiming.unclaim(engine, worker.pk, [one]) == 0
    assert stored(one.job_id).status == JobStatus.COMPLETED
    assert Attempt.objects.get().status == AttemptStatus.COMPLETED


def test_giving_back_takes_few_statements_however_many_jobs(
    worker: Worker, engine: Engine, django_assert_max_num_queries: Any
) -> None:
    for _ in range(40):
        dispatch()
    claims = claim(worker, free=40)
    with django_assert_max_num_queries(8):
        assert claiming.unclaim(engine, worker.pk, claims) == 40
