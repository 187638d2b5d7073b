from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.lifecycle import dispatching
from jobs.lifecycle.engines import Engine
from jobs.models import Job
from jobs.signals import job_dispatched
from jobs.states import JobStatus

from .acting import dispatch, spec, stored
from .job_classes import Plain

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "due", [{}, {"delay": 1.5}, {"run_at": datetime(2031, 5, 6, 7, 8, tzinfo=UTC)}]
)
def test_the_job_that_is_returned_holds_what_is_stored(due: dict[str, Any]) -> None:
    job = dispatch(queue="mail", priority=-7, arguments={"number": 9, "é": [1.5, None]}, **due)
    row = stored(job.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(job, field.attname) == getattr(row, field.attname), field.attname
    assert not job._state.adding
    assert job._state.db == "default"


def test_a_job_that_is_due_is_queued() -> None:
    assert stored(dispatch().pk).status == JobStatus.QUEUED


def test_a_job_with_a_delay_is_scheduled(engine: Engine) -> None:
    job = stored(dispatch(delay=90).pk)
    assert job.status == JobStatus.SCHEDULED
    assert job.run_at - job.created_at == timedelta(seconds=90)


def test_a_job_for_later_is_scheduled_for_that_time() -> None:
    at = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    job = stored(dispatch(run_at=at).pk)
    assert (job.status, job.run_at) == (JobStatus.SCHEDULED, at)


def test_a_time_of_another_zone_is_the_same_moment(engine: Engine) -> None:
    in_tokyo = (engine.now() - timedelta(seconds=5)).astimezone(
        datetime.strptime("+0900", "%z").tzinfo
    )
    job = stored(dispatch(run_at=in_tokyo).pk)
    assert (job.status, job.run_at) == (JobStatus.QUEUED, in_tokyo)


def test_a_time_in_the_past_is_due_and_keeps_its_place() -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    job = stored(dispatch(run_at=at).pk)
    assert (job.status, job.run_at) == (JobStatus.QUEUED, at)


def test_many_jobs_come_back_in_their_order() -> None:
    specs = [spec(arguments={"number": n}, delay=None if n % 2 else 60.0) for n in range(1200)]
    jobs = dispatching.dispatch(specs)
    assert [job.arguments["number"] for job in jobs] == list(range(1200))
    rows = Job.objects.in_bulk([job.pk for job in jobs])
    assert [rows[job.pk].arguments["number"] for job in jobs] == list(range(1200))
    assert [rows[job.pk].status for job in jobs] == [job.status for job in jobs]


def test_no_jobs_are_no_statement(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert dispatching.dispatch([]) == []


def test_a_thousand_jobs_are_one_statement(django_assert_num_queries: Any) -> None:
    # MySQL is asked for its time before: nothing an INSERT says comes back from it.
    with django_assert_num_queries(2 if connection.vendor == "mysql" else 1):
        dispatching.dispatch([spec()] * 1000)


def test_nothing_is_left_of_a_transaction_that_is_rolled_back() -> None:
    with transaction.atomic():
        dispatch()
        transaction.set_rollback(True)
    assert not Job.objects.exists()


def test_a_refused_row_stores_none_of_its_batch() -> None:
    with pytest.raises(Exception, match="jobs_job_priority"), transaction.atomic():
        dispatching.dispatch([spec(), spec(priority=101)])
    assert not Job.objects.exists()


def test_receivers_hear_of_every_job_inside_the_transaction() -> None:
    heard: list[tuple[str, int]] = []

    def hear(sender: str, job_id: int, **_: Any) -> None:
        assert Job.objects.filter(id=job_id).exists()
        heard.append((sender, job_id))

    job_dispatched.connect(hear)
    try:
        jobs = dispatching.dispatch([spec(), spec()])
    finally:
        job_dispatched.disconnect(hear)
    assert heard == [(Plain.job_name, job.pk) for job in jobs]


def test_a_receiver_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def break_down(**_: Any) -> None:
        raise ZeroDivisionError

    job_dispatched.connect(break_down)
    try:
        job = dispatch()
    finally:
        job_dispatched.disconnect(break_down)
    assert stored(job.pk).status == JobStatus.QUEUED
    assert "ZeroDivisionError" in caplog.text
