from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Resolution, Rollup
from jobs.states import JobStatus, WorkerStatus
from jobs.statistics import Counts
from jobs.web import stats
from tests.factories import make_job, make_worker

MINUTE = timedelta(minutes=1)


def page(client, query: str = "") -> str:
    return str(client.get(f"/{query}").content.decode())


def test_every_status_has_its_tab_and_its_count(operator) -> None:
    for status in JobStatus:
        make_job(status)
    tabs = operator.get("/counts/").context["tabs"]
    assert [str(tab.label) for tab in tabs][1:] == [
        *("Scheduled", "Queued", "Running", "Retrying", "Completed", "Failed", "Cancelled")
    ]
    assert [tab.count.value for tab in tabs] == [7, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("query", ["", "?class=shop.SendInvoice"])
def test_counts_stop_at_the_cap(query, operator, monkeypatch) -> None:
    monkeypatch.setattr(stats, "CAP", 3)
    for _ in range(5):
        make_job(JobStatus.COMPLETED)
    tabs = {tab.status: tab.count for tab in operator.get(f"/counts/{query}").context["tabs"]}
    assert tabs["completed"] == tabs[""] == stats.Count(3, capped=True)
    assert ">3+<" in page(operator, f"counts/{query}")


def test_the_counts_of_the_tabs_come_after_the_page(operator) -> None:
    make_job(JobStatus.COMPLETED)
    answer = operator.get("/?queue=default")
    assert {tab.count for tab in answer.context["tabs"]} == {None}
    assert 'data-late="/counts/?queue=default"' in answer.content.decode()


def test_without_the_script_a_link_counts(operator) -> None:
    make_job(JobStatus.COMPLETED)
    html = page(operator, "?queue=default")
    assert '<noscript><a class="quiet" href="?queue=default&amp;counts=1">' in html
    tabs = operator.get("/?queue=default&counts=1").context["tabs"]
    assert [tab.count.value for tab in tabs] == [1, 0, 0, 0, 0, 1, 0, 0]


def test_a_row_says_what_a_reader_asks_first(operator) -> None:
    now = timezone.now()
    make_job(
        JobStatus.RUNNING,
        queue="imports",
        max_attempts=5,
        attempts_spent=1,
        created_at=now - 5 * MINUTE,
        started_at=now - 3 * MINUTE,
        progress={"done": 42, "total": 100, "message": "reading rows"},
    )
    html = page(operator)
    for part in ("SendInvoice", "imports", "2/5", "5 min ago", "Running"):
        assert part in html
    assert re.search(r"3 min \d+ s", html)
    assert '<progress max="100" value="42"' in html
    assert "reading rows" in html


def test_a_job_asked_to_stop_is_shown_as_cancelling(operator) -> None:
    job = make_job(JobStatus.RUNNING, cancel_requested_at=timezone.now())
    html = page(operator)
    assert "Cancelling" in html
    assert f"/jobs/{job.pk}/cancel/" not in html


def test_actions_are_offered_where_they_can_work(operator) -> None:
    failed, running, done = (
        make_job(status) for status in (JobStatus.FAILED, JobStatus.RUNNING, JobStatus.COMPLETED)
    )
    html = page(operator)
    assert f'formaction="/jobs/{failed.pk}/retry/"' in html
    assert f'formaction="/jobs/{running.pk}/cancel/"' in html
    assert f"/jobs/{done.pk}/retry/" not in html
    assert f"/jobs/{done.pk}/cancel/" not in html


def test_the_statistics_name_live_workers_only(operator) -> None:
    now = timezone.now()
    make_worker(concurrency=4)
    make_worker(WorkerStatus.DRAINING, concurrency=2)
    make_worker(WorkerStatus.STOPPED)
    make_worker(lease_expires_at=now - MINUTE)
    overview = operator.get("/").context["overview"]
    assert (len(overview.workers), overview.slots) == (2, 6)


def test_the_statistics_say_what_ended_in_the_last_hour_and_ever(operator) -> None:
    minute = timezone.now().replace(second=0, microsecond=0)
    day, ever = minute - 24 * 60 * MINUTE, datetime(1970, 1, 1, tzinfo=UTC)
    for resolution, period, completed, failed in (
        (Resolution.WRITER, minute - MINUTE, 3, 0),
        (Resolution.MINUTE, minute - 30 * MINUTE, 20, 1),
        (Resolution.HOUR, day, 700, 0),
        (Resolution.EVER, ever, 1720, 5),
    ):
        Rollup.objects.create(
            resolution=resolution,
            period=period,
            job_class="shop.Ship",
            queue="default",
            completed=completed,
            failed=failed,
        )
    overview = operator.get("/").context["overview"]
    assert (overview.last_hour, overview.lifetime) == (Counts(23, 1), Counts(1723, 5))
    html = page(operator)
    assert "<b>23</b>" in html
    assert "last hour, 1,723 in all" in html
    assert "last hour, 5 in all" in html


def test_waiting_jobs_without_a_worker_are_announced(operator) -> None:
    assert "No worker is running" not in page(operator)
    make_job(JobStatus.QUEUED)
    assert "No worker is running, and jobs wait" in page(operator)
    make_worker()
    assert "No worker is running" not in page(operator)


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.RETRYING])
def test_the_longest_wait_is_that_of_the_oldest_due_job(status, db) -> None:
    now = timezone.now()
    make_job(status, run_at=now - 3 * MINUTE)
    make_job(JobStatus.QUEUED, run_at=now - MINUTE)
    make_job(JobStatus.SCHEDULED, run_at=now + MINUTE)
    assert stats.longest_wait(now) == 3 * MINUTE


def test_nothing_due_waits_for_nothing(db) -> None:
    make_job(JobStatus.SCHEDULED, run_at=timezone.now() + MINUTE)
    assert stats.longest_wait(timezone.now()) is None


def test_an_empty_system_shows_how_to_begin(operator) -> None:
    html = page(operator)
    assert "No jobs yet" in html
    assert "class Hello(BackgroundJob)" in html


def test_a_filter_without_matches_offers_to_clear_it(operator) -> None:
    make_job()
    html = page(operator, "?status=failed")
    assert "No job matches" in html
    assert "Show all jobs" in html


@pytest.fixture
def no_workers_table(transactional_db) -> Iterator[None]:
    """A database without one of the tables. Nothing rolls that back on MySQL."""
    rename = "ALTER TABLE {} RENAME TO {}".format
    with connection.cursor() as cursor:
        cursor.execute(rename("jobs_worker", "jobs_lost"))
        yield
        cursor.execute(rename("jobs_lost", "jobs_worker"))


def test_a_database_that_cannot_be_read_gets_a_page_that_says_so(
    no_workers_table, operator
) -> None:
    answer = operator.get("/")
    assert answer.status_code == 503
    assert "The database cannot be read" in answer.content.decode()
    assert "jobs_worker" not in answer.content.decode()
