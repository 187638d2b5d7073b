"""What `dispatch()` and `dispatch_many()` accept, store and return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from jobs import BackgroundJob
from jobs.exceptions import (
    InvalidArguments,
    InvalidJobClass,
    InvalidOption,
)
from jobs.models import Job
from jobs.states import JobStatus

from .argument_jobs import OwnInit, PlainJob

pytestmark = pytest.mark.usefixtures("own_classes")


def declare(**body: Any) -> type[BackgroundJob]:
    """Return a new job class with these names in its body."""
    return type(
        "Declared", (BackgroundJob,), {"__module__": __name__, "handle": lambda self: None, **body}
    )


def test_a_dispatched_job_is_stored_with_what_its_class_says(db: None):
    cls = declare(queue="mail", priority=5, max_attempts=7)
    found = Job.objects.get(pk=cls().dispatch().pk)
    assert (found.job_class, found.queue, found.priority) == ("tests.Declared", "mail", 5)
    assert (found.max_attempts, found.status) == (7, JobStatus.QUEUED)


def test_a_dispatch_returns_the_job_with_its_arguments(db: None):
    job = PlainJob(number=7).dispatch()
    assert job.arguments["number"] == 7
    assert Job.objects.get(pk=job.pk).arguments == job.arguments


def test_queue_and_priority_of_a_dispatch_stand_before_those_of_the_class(db: None):
    job = PlainJob(number=7).dispatch(queue="slow", priority=-100)
    assert (job.queue, job.priority) == ("slow", -100)


@pytest.mark.parametrize("delay", [60, 60.0, timedelta(minutes=1)])
def test_a_delay_makes_a_job_due_later(db: None, delay: Any):
    job = PlainJob(number=7).dispatch(delay=delay)
    assert job.status == JobStatus.SCHEDULED
    assert job.run_at - job.created_at == timedelta(minutes=1)


def test_a_job_is_due_at_the_time_it_is_given(db: None):
    at = timezone.now() + timedelta(days=1)
    assert PlainJob(number=7).dispatch(run_at=at).run_at == at


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"delay": 1, "run_at": datetime(2024, 1, 1, tzinfo=UTC)}, "give either delay or run_at"),
        ({"run_at": datetime(2024, 1, 1)}, "run_at is 2024-01-01T00:00:00 without a time zone"),
        ({"run_at": "tomorrow"}, "run_at is 'tomorrow': expected an aware datetime"),
        ({"delay": -1}, "delay is -1: expected 0 to "),
        ({"delay": timedelta(seconds=-1)}, "delay is datetime.timedelta"),
        ({"delay": float("nan")}, "delay is nan: expected 0 to "),
        ({"delay": float("inf")}, "delay is inf: expected 0 to "),
        ({"delay": "60"}, "delay is '60': expected a number of seconds or a timedelta"),
        ({"delay": True}, "delay is True: expected a number of seconds or a timedelta"),
        ({"queue": ""}, "queue is '': expected str of length >= 1"),
        ({"priority": 101}, "priority is 101: expected int <= 100"),
        ({"priority": "1"}, "priority is '1': expected int"),
    ],
)
def test_an_impossible_option_of_a_dispatch_is_refused_and_nothing_stored(
    db: None, options: Any, problem: str
):
    with pytest.raises(InvalidOption) as raised:
        PlainJob(number=7).dispatch(**options)
    assert str(raised.value).startswith(f"tests.PlainJob: {problem}")
    assert not Job.objects.exists()


def test_wrong_arguments_are_refused_at_dispatch_and_nothing_stored(db: None):
    number: Any = "7"
    with pytest.raises(InvalidArguments, match="number: expected int, got '7'"):
        PlainJob(number=number).dispatch()
    assert not Job.objects.exists()


def test_a_refused_dispatch_leaves_the_transaction_usable(db: None):
    with transaction.atomic():
        with pytest.raises(InvalidArguments):
            PlainJob(number=2**70).dispatch()
        PlainJob(number=1).dispatch()
    assert Job.objects.count() == 1


def test_a_base_is_not_dispatched(db: None):
    with pytest.raises(InvalidJobClass, match=r"^tests\.Declared is abstract"):
        declare(abstract=True)().dispatch()
    with pytest.raises(InvalidJobClass, match=r"^BackgroundJob is abstract"):
        BackgroundJob().dispatch()


def test_an_own_init_is_dispatched(db: None):
    assert OwnInit(3).dispatch().arguments == {"number": 3, "text": "x", "loose": None}


def test_many_jobs_are_stored_in_order(db: None):
    jobs = PlainJob.dispatch_many((PlainJob(number=n) for n in range(7)), batch_size=3)
    assert [job.arguments["number"] for job in jobs] == list(range(7))
    assert [job.pk for job in jobs] == sorted(job.pk for job in jobs)
    assert Job.objects.count() == 7


def test_no_jobs_are_no_jobs(db: None):
    assert PlainJob.dispatch_many([]) == []


def test_one_wrong_job_of_many_means_that_none_is_stored(db: None):
    number: Any = "x"
    jobs = [*(PlainJob(number=n) for n in range(5)), PlainJob(number=number)]
    with pytest.raises(InvalidArguments):
        PlainJob.dispatch_many(jobs, batch_size=2)
    assert not Job.objects.exists()


def test_a_database_that_fails_at_the_second_batch_keeps_no_batch(db: None):
    inserts = []

    def fail_at_the_second(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "INSERT INTO" in sql:
            inserts.append(sql)
            if len(inserts) == 2:
                raise OperationalError("disk full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail_at_the_second), pytest.raises(OperationalError):
        PlainJob.dispatch_many([PlainJob(number=n) for n in range(6)], batch_size=2)
    assert len(inserts) == 2
    assert not Job.objects.exists()


def test_a_job_of_another_class_among_many_is_refused(db: None):
    other: Any = OwnInit(1)
    with pytest.raises(InvalidArguments, match=r"^tests\.PlainJob\.dispatch_many\(\) takes jobs"):
        PlainJob.dispatch_many([PlainJob(number=1), other])
    assert not Job.objects.exists()


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing_is_refused(size: int):
    with pytest.raises(InvalidOption, match="batch_size"):
        PlainJob.dispatch_many([PlainJob(number=1)], batch_size=size)
