"""A filter by time looks at the jobs around that time, not through all that are newer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.lifecycle import operations
from jobs.models import Job, Operation
from jobs.selection import Selection
from jobs.states import JobStatus, OperationStatus
from jobs.web import key_ranges, paging
from jobs.web.key_ranges import key_range
from tests.factories import make_job
from tests.web.test_paging import walk

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search for times in a table of some dozens of jobs, and look through ten keys on a page."""
    monkeypatch.setattr(key_ranges, "CLOSE", 4)
    monkeypatch.setattr(key_ranges, "PROBES", 3)
    monkeypatch.setattr(paging, "SPAN", 10)


@pytest.fixture
def hourly(db: None, fine: None) -> list[Job]:
    """A hundred jobs, one an hour."""
    return [make_job(JobStatus.COMPLETED, created_at=BEGIN + HOUR * place) for place in range(100)]


def asking(**times: datetime) -> str:
    return "?" + "&".join(f"{name}={at:%Y-%m-%dT%H:%M}%2B00:00" for name, at in times.items())


def test_the_first_page_of_an_old_time_has_its_jobs(hourly, operator: Client) -> None:
    chosen = asking(since=BEGIN + 20 * HOUR, until=BEGIN + 23 * HOUR)
    page = operator.get(f"/{chosen}").context["page"]
    assert [job.pk for job in page.rows] == [job.pk for job in hourly[22:19:-1]]


def test_a_list_by_time_ends_where_its_time_begins(hourly, operator: Client) -> None:
    pages = walk(operator, asking(since=BEGIN + 80 * HOUR), "next")
    assert [pk for page in pages for pk in page] == [job.pk for job in hourly[:79:-1]]
    assert len(pages) <= 4


def test_newer_leads_back_over_a_list_by_time(hourly, operator: Client) -> None:
    chosen = asking(since=BEGIN + 40 * HOUR, until=BEGIN + 70 * HOUR)
    pages = walk(operator, f"{chosen}&before={hourly[45].pk}", "prev")
    found = {pk for page in pages for pk in page}
    assert found == {job.pk for job in hourly[40:70]}


def test_counts_by_time_are_exact_where_one_look_reaches(hourly, operator: Client) -> None:
    chosen = asking(since=BEGIN + 30 * HOUR, until=BEGIN + 34 * HOUR)
    tabs = operator.get(f"/counts/{chosen}").context["tabs"]
    assert {tab.status: tab.count for tab in tabs}["completed"].value == 4


def test_an_export_by_time_begins_at_its_time(hourly, operator: Client, monkeypatch) -> None:
    monkeypatch.setattr("jobs.web.export.SEARCHES", 1)
    chosen = asking(since=BEGIN + 10 * HOUR, until=BEGIN + 12 * HOUR)
    answer: Any = operator.get(f"/export/ndjson/{chosen}")
    lines = b"".join(answer.streaming_content).splitlines()
    assert len(lines) == 4
    assert b'"complete": true' in lines[-1]


def test_a_small_table_is_not_searched_for_times(db: None) -> None:
    for _ in range(3):
        make_job()
    with CaptureQueriesContext(connection) as queries:
        assert key_range(Selection(since=BEGIN), 3) == (0, 4)
    assert not queries.captured_queries


@pytest.mark.usefixtures("fine")
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 80),
    lost=st.floats(0, 0.9),
    since=st.integers(-2, 150),
    length=st.integers(0, 30),
)
def test_no_job_of_a_time_is_outside_its_range(db, seed, count, lost, since, length) -> None:
    """Times waver by up to the slack against their keys, and jobs are missing between them."""
    chance = Random(seed)
    Job.objects.all().delete()
    for key in range(1, count + 1):
        if chance.random() >= lost:
            waver = timedelta(seconds=chance.uniform(0, 3600))
            make_job(pk=key, created_at=BEGIN + MINUTE * key + waver)
    asked = Selection(since=BEGIN + MINUTE * since, until=BEGIN + MINUTE * (since + length))
    above, below = key_range(asked, paging.newest_key(Job.objects.all()))
    assert all(above < key < below for key in asked.jobs().values_list("pk", flat=True))


def test_all_of_an_old_time_are_changed_at_once(hourly, operator: Client, monkeypatch) -> None:
    # A range may be wider than its time, by as much as its search leaves unsearched: that depends on the ids.
    monkeypatch.setattr(paging, "SPAN", 20)
    monkeypatch.setattr(operations, "SPAN", 4)
    monkeypatch.setattr(operations, "MOST_STEPS", 6)
    Job.objects.update(status=JobStatus.FAILED)
    chosen = asking(since=BEGIN + 70 * HOUR, until=BEGIN + 73 * HOUR)
    operator.post("/jobs/retry/run/", {"all": "1", "filter": chosen})
    moved = Job.objects.filter(status=JobStatus.QUEUED).order_by("pk")
    assert [job.pk for job in moved] == [job.pk for job in hourly[70:73]]
    assert Operation.objects.get().status == OperationStatus.COMPLETED


@pytest.mark.parametrize("before", ["", "&before=60"])
def test_a_page_has_one_bound_on_each_side(hourly, operator: Client, before: str) -> None:
    """Of two lower bounds SQLite takes one to begin or end with: by the looser one it reads on for ever."""
    chosen = asking(since=BEGIN + 20 * HOUR, until=BEGIN + 90 * HOUR)
    with CaptureQueriesContext(connection) as queries:
        operator.get(f"/{chosen}{before}")
    name = connection.ops.quote_name
    key = f"{name('jobs_job')}.{name('id')}"
    pages = [
        one["sql"]
        for one in queries
        if f"ORDER BY {key} DESC" in one["sql"] and f"{key} >" in one["sql"]
    ]
    assert pages
    assert all(sql.count(f"{key} >") == 1 and sql.count(f"{key} <") == 1 for sql in pages)
