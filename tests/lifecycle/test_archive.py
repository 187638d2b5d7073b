"""Finished jobs that stay for years: `docs/archive.sql`, run as its page says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.retention import Retention, prune
from jobs.states import JobStatus
from tests.factories import make_attempt, make_job

SCRIPT = Path(__file__).parents[2] / "docs" / "archive.sql"

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive() -> None:
    """The script, run, and a partition for one month that is over."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL partitions tables in this way")
    with connection.cursor() as cursor:
        cursor.execute(SCRIPT.read_text(encoding="utf-8"))
    make_month("2001-01-31")


def make_month(day: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT jobs_archive_month(%s)", [day])


def ended(at: datetime) -> list[tuple[str, int, str]]:
    """Store a job that ended then; return what its archive is to hold."""
    job = make_job(JobStatus.COMPLETED, finished_at=at)
    attempt = make_attempt(job, "completed", finished_at=at)
    return [("jobs_attempt", job.pk, str(attempt.pk)), ("jobs_job", job.pk, str(job.pk))]


def archived(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT kind, job, was->>'id' FROM {table} ORDER BY kind")
        return list(cursor.fetchall())


def test_what_retention_deletes_is_archived_in_its_month(archive: None) -> None:
    of_january = ended(datetime(2001, 1, 24, tzinfo=UTC))
    of_march = ended(datetime(2001, 3, 24, tzinfo=UTC))
    prune(engine_for(), Retention(completed=14, failed=None))
    assert archived("jobs_archive_2001_01") == of_january
    assert archived("jobs_archive_rest") == of_march


def test_a_month_that_is_made_late_takes_what_has_landed_in_the_rest(archive: None) -> None:
    for day in (1, 31):
        ended(datetime(2001, 3, day, 0 if day == 1 else 23, tzinfo=UTC))
    of_april = ended(datetime(2001, 4, 1, tzinfo=UTC))
    prune(engine_for(), Retention(completed=14, failed=None))
    for _ in range(2):
        make_month("2001-03-15")
    assert len(archived("jobs_archive_2001_03")) == 4
    assert archived("jobs_archive_rest") == of_april


def test_the_months_of_what_retention_deletes_now_and_of_a_year_are_there(archive: None) -> None:
    for age in (-360, 15, 89):
        at = timezone.now() - timedelta(days=age)
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s)", [f"jobs_archive_{at:%Y_%m}"])
            assert cursor.fetchone() != (None,)


def test_what_is_kept_is_not_archived(archive: None) -> None:
    ended(timezone.now())
    prune(engine_for(), Retention(completed=14, failed=None))
    assert archived("jobs_archive") == []
