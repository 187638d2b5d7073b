from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from jobs.models import Resolution, Rollup
from jobs.models.rollups import RAN
from jobs.redaction import MASK
from jobs.states import JobStatus, WorkerStatus
from jobs.statistics import Counts
from jobs.web import stats
from tests.factories import make_attempt, make_job, make_worker

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


def test_a_job_shows_the_memory_its_latest_attempt_took(operator) -> None:
    job = make_job(JobStatus.RUNNING)
    make_attempt(job, "failed", peak_rss=11 * 2**20)
    make_attempt(job, "running", peak_rss=22 * 2**20)
    html = page(operator)
    assert "22.0\xa0MiB" in html
    assert "11.0\xa0MiB" not in html
    assert "22.0\xa0MiB" in str(operator.get(job.get_absolute_url()).content.decode())


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


@pytest.mark.parametrize(("minutes", "says"), [(1, "p95 2 min"), (9, "past p95, 2 min")])
def test_a_running_job_is_shown_beside_what_is_usual_for_its_class(minutes, says, operator) -> None:
    values = {"resolution": Resolution.HOUR, "period": timezone.now() - timedelta(hours=2)}
    values |= {"job_class": "shop.SendInvoice", "queue": "default", RAN[17]: 99, "ran_max": 150}
    Rollup.objects.create(**values)
    make_job(JobStatus.RUNNING, started_at=timezone.now() - minutes * MINUTE)
    text = " ".join(re.sub("<[^>]*>", "", page(operator)).split())
    assert says in text
    assert ("past p95" in text) == ("past" in says)


def test_a_row_says_where_a_job_ran_how_long_it_waited_and_what_with(operator, visitor) -> None:
    now = timezone.now()
    times: dict[str, Any] = {
        "run_at": now - 9 * MINUTE,
        "started_at": now - 2 * MINUTE,
        "finished_at": now,
    }
    arguments = {"invoice_id": 7, "password": "hush", "note": "x" * 99}
    job = make_job(JobStatus.COMPLETED, arguments=arguments, **times)
    make_attempt(job, worker=make_worker(hostname="alpha"))
    html = page(operator)
    for part in ("alpha", "waited 7 min 0 s", "invoice_id=7", f"password={MASK}", "note=xxx"):
        assert part in html
    assert "hush" not in html
    assert "invoice_id" not in page(visitor("view_job"))


def test_large_arguments_are_not_read_for_a_row(operator) -> None:
    make_job(JobStatus.COMPLETED, arguments={"text": "y" * 1_000})
    assert "yyy" not in page(operator)


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
    assert stats.unfinished(now)[1] == 3 * MINUTE


def test_nothing_due_waits_for_nothing(db) -> None:
    make_job(JobStatus.SCHEDULED, run_at=timezone.now() + MINUTE)
    assert stats.unfinished(timezone.now())[1] is None


def test_an_empty_system_shows_how_to_begin(operator) -> None:
    html = page(operator)
    assert "No jobs yet" in html
    assert "class Hello(BackgroundJob)" in html


def test_a_filter_without_matches_offers_to_clear_it(operator) -> None:
    make_job()
    html = page(operator, "?status=failed")
    assert "No job matches" in html
    assert "Show all jobs" in html


@contextmanager
def without(table: str) -> Iterator[None]:
    """A database without one of the tables. Nothing rolls that back on MySQL."""
    rename = "ALTER TABLE {} RENAME TO {}".format
    with connection.cursor() as cursor:
        cursor.execute(rename(table, "jobs_lost"))
        try:
            yield
        finally:
            cursor.execute(rename("jobs_lost", table))


@pytest.mark.parametrize("table", ["jobs_worker", "django_session", "auth_user_groups"])
def test_a_database_that_cannot_be_read_gets_a_page_that_says_so(
    table, transactional_db, operator
) -> None:
    with without(table):
        answer = operator.get("/")
    assert answer.status_code == 503
    assert "The database cannot be read" in answer.content.decode()
    assert table not in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/login/", "/logout/"])
def test_without_its_sessions_every_address_says_so(path, transactional_db, operator) -> None:
    with without("django_session"):
        assert operator.post(path).status_code == 503
