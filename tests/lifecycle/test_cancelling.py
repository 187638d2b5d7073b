from __future__ import annotations

import pytest
from django.db import transaction

from jobs.lifecycle import changing
from jobs.lifecycle.engines import Engine
from jobs.models import AuditEntry, Job, Worker
from jobs.states import FINAL, PENDING, AttemptStatus, JobStatus
from tests.factories import make_job, make_user

from .acting import Other, at_once, claim_new, finish, stored

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", sorted(PENDING))
def test_a_job_that_waits_is_cancelled_at_once(status: str) -> None:
    job = make_job(status)
    assert changing.cancel(job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert job.finished_at is not None
    assert job.cancel_requested_at is None


def test_a_running_job_is_asked_to_stop() -> None:
    job = make_job(JobStatus.RUNNING)
    assert changing.cancel(job.pk)
    job.refresh_from_db()
    assert job.is_cancelling


def test_a_running_job_is_asked_once() -> None:
    job = make_job(JobStatus.RUNNING)
    changing.cancel(job.pk)
    first = stored(job.pk).cancel_requested_at
    assert not changing.cancel(job.pk)
    assert stored(job.pk).cancel_requested_at == first
    assert job.audit.count() == 1


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_finished_job_is_not_cancelled(status: str) -> None:
    job = make_job(status)
    assert not changing.cancel(job.pk)
    after = stored(job.pk)
    assert (after.status, after.finished_at) == (status, job.finished_at)
    assert not AuditEntry.objects.exists()


def test_a_job_that_is_not_there_is_not_cancelled() -> None:
    assert not changing.cancel(4711)


@pytest.mark.parametrize("status", sorted(PENDING | {JobStatus.RUNNING}))
def test_a_cancel_is_recorded_with_who_and_what_it_was_before(status: str) -> None:
    job, user = make_job(status), make_user(username="ana")
    assert job.cancel(by=user)
    entry = job.audit.get()
    assert (entry.action, entry.status) == ("cancel", status)
    assert (entry.actor_id, entry.actor_name) == (str(user.pk), "ana")


def test_a_worker_learns_which_of_its_attempts_to_stop(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    mine, runs_on, theirs = claim_new(worker), claim_new(worker), claim_new(other_worker)
    changing.cancel(mine.job_id, by=make_user(username="ana"))
    changing.cancel(theirs.job_id)
    (asked,) = changing.cancels_asked(engine, worker.pk)
    assert (asked.attempt_id, asked.by) == (mine.attempt_id, "ana")
    assert asked.at == stored(mine.job_id).cancel_requested_at
    others = [one.attempt_id for one in changing.cancels_asked(engine, other_worker.pk)]
    assert runs_on.attempt_id not in others


def test_an_attempt_that_has_ended_is_not_to_be_stopped(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    finish(worker, one, AttemptStatus.CANCELLED)
    assert changing.cancels_asked(engine, worker.pk) == []


@pytest.mark.django_db(transaction=True)
def test_twenty_cancels_at_once_are_recorded_once() -> None:
    job = make_job(JobStatus.RUNNING)
    moved = at_once(20, lambda engine: changing.cancel(job.pk))
    assert sorted(moved) == [False] * 19 + [True]
    assert job.audit.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_cancel_during_the_success_of_its_job_is_refused(worker: Worker) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        finish(worker, one, AttemptStatus.COMPLETED)
        other = Other(lambda engine: changing.cancel(one.job_id))
        other.wait_until_blocked()
    assert not other.result()
    assert stored(one.job_id).status == JobStatus.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_failure_during_the_cancel_of_its_job_is_not_retried(worker: Worker) -> None:
    one = claim_new(worker)
    with transaction.atomic():
        changing.cancel(one.job_id)
        other = Other(lambda engine: finish(worker, one, AttemptStatus.FAILED))
        other.wait_until_blocked()
    assert other.result().job_status == JobStatus.CANCELLED
    assert stored(one.job_id).status == JobStatus.CANCELLED


def test_progress_is_kept_while_the_attempt_runs(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    changing.report_progress(engine, one.job_id, one.number, 3, 7, "half")
    assert stored(one.job_id).progress == {"done": 3, "total": 7, "message": "half"}


def test_progress_of_an_earlier_attempt_is_not_kept(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    Job.objects.update(attempts_made=2)
    changing.report_progress(engine, one.job_id, one.number, 3, None, "")
    assert stored(one.job_id).progress is None
