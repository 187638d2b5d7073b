"""What the database itself refuses, whoever writes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.models import Attempt, Job, OutputChunk
from jobs.states import FINAL, AttemptStatus, JobStatus
from tests.factories import make_attempt, make_job, make_output

pytestmark = pytest.mark.django_db


def refused(name: str, rows: Any, **values: Any) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        rows.update(**values)


@pytest.mark.parametrize("status", sorted(set(JobStatus) - FINAL))
def test_a_job_that_is_not_finished_has_no_end(status: str) -> None:
    make_job(status)
    refused("jobs_job_finished_at", Job.objects, finished_at=timezone.now())


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_finished_job_has_an_end(status: str) -> None:
    make_job(status)
    refused("jobs_job_finished_at", Job.objects, finished_at=None)


@pytest.mark.parametrize("status", ["", "done", "QUEUED"])
def test_a_job_has_a_known_status(status: str) -> None:
    make_job()
    refused("jobs_job_status_known", Job.objects, status=status)


@pytest.mark.parametrize("priority", [-101, 101])
def test_a_job_has_a_priority_within_its_limits(priority: int) -> None:
    make_job()
    refused("jobs_job_priority", Job.objects, priority=priority)


def test_a_job_is_allowed_an_attempt_at_least() -> None:
    make_job()
    refused("jobs_job_max_attempts", Job.objects, max_attempts=0)


def test_a_running_attempt_has_no_end() -> None:
    make_attempt(make_job(), AttemptStatus.RUNNING)
    refused("jobs_attempt_finished_at", Attempt.objects, finished_at=timezone.now())


@pytest.mark.parametrize("status", sorted(set(AttemptStatus) - {AttemptStatus.RUNNING}))
def test_an_attempt_that_is_over_has_an_end(status: str) -> None:
    make_attempt(make_job(), status)
    refused("jobs_attempt_finished_at", Attempt.objects, finished_at=None)


def test_an_attempt_has_a_known_status() -> None:
    make_attempt(make_job())
    refused("jobs_attempt_status_known", Attempt.objects, status="done")


def test_no_two_attempts_of_a_job_have_the_same_number() -> None:
    job = make_job()
    make_attempt(job)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_attempt(job, number=1)


def test_no_two_pieces_of_output_have_the_same_place() -> None:
    attempt = make_attempt(make_job())
    make_output(attempt, ("out", "hello"))
    with pytest.raises(IntegrityError), transaction.atomic():
        OutputChunk.objects.create(attempt=attempt, position=0, size=1, entries="[]")
