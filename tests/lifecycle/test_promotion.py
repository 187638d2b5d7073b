from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.lifecycle import claiming
from jobs.lifecycle.engines import Engine
from jobs.models import Job
from jobs.states import WAITING, JobStatus

from .acting import dispatch, stored

pytestmark = pytest.mark.django_db


def wait(status: str, seconds: float, engine: Engine) -> Job:
    """Store a job that waits in `status` and is due in `seconds`."""
    job = dispatch(delay=999)
    at = engine.now() + timedelta(seconds=seconds)
    Job.objects.filter(id=job.pk).update(status=status, run_at=at)
    return stored(job.pk)


@pytest.mark.parametrize("status", sorted(WAITING))
def test_a_waiting_job_is_queued_when_its_time_has_come(status: str, engine: Engine) -> None:
    job = wait(status, -0.001, engine)
    assert claiming.promote(engine) == 1
    promoted = stored(job.pk)
    assert (promoted.status, promoted.run_at) == (JobStatus.QUEUED, job.run_at)


@pytest.mark.parametrize("status", sorted(WAITING))
def test_a_waiting_job_stays_until_its_time_has_come(status: str, engine: Engine) -> None:
    job = wait(status, 60, engine)
    assert claiming.promote(engine) == 0
    assert stored(job.pk).status == status


@pytest.mark.parametrize("status", sorted(set(JobStatus) - WAITING))
def test_no_other_job_is_promoted(status: str, engine: Engine) -> None:
    job = dispatch()
    final = status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    Job.objects.filter(id=job.pk).update(status=status, finished_at=engine.now() if final else None)
    assert claiming.promote(engine) == 0
    assert not claiming.promote_one(engine, job.pk)
    assert stored(job.pk).status == status


def test_the_oldest_are_promoted_first_where_there_are_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "PROMOTED_AT_ONCE", 2)
    jobs = [wait(JobStatus.SCHEDULED, -age, engine) for age in (1, 3, 2)]
    assert claiming.promote(engine) == 2
    assert stored(jobs[0].pk).status == JobStatus.SCHEDULED
    assert claiming.promote(engine) == 1


def test_looking_for_due_jobs_writes_nothing_where_none_is(engine: Engine) -> None:
    wait(JobStatus.SCHEDULED, 60, engine)
    with CaptureQueriesContext(connection) as queries:
        claiming.promote(engine)
    assert not [one["sql"] for one in queries if "UPDATE" in one["sql"]]


def test_the_next_due_time_is_that_of_the_first_waiting_job(engine: Engine) -> None:
    dispatch()
    wait(JobStatus.RETRYING, 90, engine)
    first = wait(JobStatus.SCHEDULED, 30, engine)
    assert claiming.next_due(engine) == first.run_at


def test_nothing_is_due_next_where_nothing_waits(engine: Engine) -> None:
    dispatch()
    assert claiming.next_due(engine) is None


@pytest.mark.parametrize("status", sorted(WAITING))
def test_one_job_can_be_queued_before_its_time(status: str, engine: Engine) -> None:
    job = wait(status, 3600, engine)
    assert claiming.promote_one(engine, job.pk)
    promoted = stored(job.pk)
    assert promoted.status == JobStatus.QUEUED
    assert promoted.run_at < job.run_at
