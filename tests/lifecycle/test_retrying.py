from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from jobs.lifecycle import changing
from jobs.lifecycle.engines import Engine
from jobs.models import AuditEntry, Job, Worker
from jobs.states import RETRYABLE, AttemptStatus, JobStatus
from tests.factories import make_job, make_user

from .acting import Other, at_once, claim, claim_new, dispatch, fail, finish, stored

pytestmark = pytest.mark.django_db


def fail_for_good(worker: Worker) -> int:
    one = claim_new(worker, max_attempts=1)
    fail(worker, one)
    return one.job_id


@pytest.mark.parametrize("status", sorted(RETRYABLE))
def test_a_job_that_failed_or_was_cancelled_is_queued_again(status: str, engine: Engine) -> None:
    job = make_job(status, queue="mail", priority=5)
    before = engine.now()
    assert changing.retry(job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert job.run_at >= before
    assert (job.started_at, job.finished_at) == (None, None)
    assert (job.queue, job.priority) == ("mail", 5)


def test_a_retry_for_later_waits_for_its_time(engine: Engine) -> None:
    job = make_job(JobStatus.FAILED, attempts_spent=3)
    later = engine.now() + timedelta(hours=1)
    assert changing.retry(job.pk, run_at=later)
    job.refresh_from_db()
    assert (job.status, job.run_at, job.attempts_spent) == (JobStatus.SCHEDULED, later, 0)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail) == ("retry_at", later.isoformat(timespec="seconds"))


def test_a_retry_for_a_time_that_has_passed_is_due_at_once(engine: Engine) -> None:
    job = make_job(JobStatus.FAILED)
    before = engine.now()
    assert changing.retry(job.pk, run_at=before - timedelta(hours=1))
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert job.run_at >= before


@pytest.mark.parametrize("status", sorted(set(JobStatus) - RETRYABLE))
def test_no_other_job_is_retried(status: str) -> None:
    job = make_job(status)
    assert not changing.retry(job.pk)
    assert stored(job.pk).status == status
    assert not AuditEntry.objects.exists()


def test_a_job_that_is_not_there_is_not_retried(db: None) -> None:
    assert not changing.retry(4711)


def test_a_retry_gives_a_fresh_budget_and_keeps_the_history(worker: Worker) -> None:
    job_id = fail_for_good(worker)
    Job.objects.filter(id=job_id).update(interruptions=5, progress={"done": 1})
    changing.retry(job_id)
    job = stored(job_id)
    assert (job.attempts_spent, job.interruptions, job.attempts_made) == (0, 0, 1)
    assert (job.error_type, job.error_message, job.progress, job.result) == ("", "", None, None)
    assert job.attempts.get().status == AttemptStatus.FAILED
    assert claim(worker)[0].number == 2


def test_a_cancelled_job_that_is_retried_is_not_cancelled_again(worker: Worker) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    finish(worker, one, AttemptStatus.CANCELLED)
    changing.retry(one.job_id)
    assert stored(one.job_id).cancel_requested_at is None
    [again] = claim(worker)
    fail(worker, again)
    assert stored(one.job_id).status == JobStatus.RETRYING


def test_a_retry_is_recorded_with_who_and_what_it_was_before() -> None:
    job, user = make_job(JobStatus.FAILED), make_user(username="ana")
    changing.retry(job.pk, by=user)
    entry = job.audit.get()
    assert (entry.action, entry.status) == ("retry", JobStatus.FAILED)
    assert (entry.actor_id, entry.actor_name) == (str(user.pk), "ana")


@pytest.mark.parametrize(
    ("by", "name"), [(None, ""), ("cron", "cron"), (SimpleNamespace(pk=None), "namespace(pk=None)")]
)
def test_a_retry_by_no_user_is_recorded_with_what_was_said(by: Any, name: str) -> None:
    job = make_job(JobStatus.CANCELLED)
    changing.retry(job.pk, by=by)
    entry = job.audit.get()
    assert (entry.actor_id, entry.actor_name) == ("", name)


def test_a_name_longer_than_its_column_is_cut() -> None:
    job = make_job(JobStatus.FAILED)
    changing.retry(job.pk, by="x" * 300)
    assert job.audit.get().actor_name == "x" * 254


def test_the_instance_says_whether_it_moved_and_is_refreshed() -> None:
    job = make_job(JobStatus.FAILED)
    assert job.retry()
    assert job.status == JobStatus.QUEUED
    assert not job.retry()


@pytest.mark.django_db(transaction=True)
def test_twenty_retries_at_once_make_one() -> None:
    job = make_job(JobStatus.FAILED)
    moved = at_once(20, lambda engine: changing.retry(job.pk))
    assert sorted(moved) == [False] * 19 + [True]
    assert job.audit.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_retry_inside_a_request_s_transaction_waits_for_its_end(worker: Worker) -> None:
    job = make_job(JobStatus.FAILED, job_class=dispatch().job_class)
    Job.objects.exclude(pk=job.pk).delete()
    with transaction.atomic():
        changing.retry(job.pk)
        other = Other(lambda engine: changing.retry(job.pk))
        other.wait_until_blocked()
    assert not other.result()
    assert [one.job_id for one in claim(worker)] == [job.pk]
