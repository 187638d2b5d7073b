"""What the page of statistics says is wrong: queues that wait, failures, slow jobs, workers, open transactions."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from jobs import usual
from jobs.models import Job
from jobs.web import attention
from jobs.web.glance import RUNNING, glance
from jobs.web.trends import TrendFilter
from tests.factories import make_job, make_names, make_worker
from tests.plans import plan, prefer_indexes

from .test_statistics_page import DAY, HOUR, MINUTE, ended, page

pytestmark = pytest.mark.django_db


def test_all_is_well_while_nothing_is_wrong() -> None:
    make_worker()
    found = attention.look(timezone.now(), [])
    assert not found.is_needed
    assert (found.alive, found.waiting) == (1, [])


def test_a_queue_that_waits_for_long_is_named(operator: Client) -> None:
    make_names(queues=("mail", "default"))
    make_worker()
    now = timezone.now()
    make_job(queue="mail", run_at=now - timedelta(minutes=20))
    make_job(queue="default", run_at=now - timedelta(minutes=1))
    found = attention.look(now, ["default", "mail", "none"])
    assert [one.queue for one in found.waiting] == ["mail", "default"]
    assert [one.queue for one in found.bad_queues] == ["mail"]
    assert "The oldest due job of the queue mail has waited for 20 min" in page(operator)


def test_a_queue_that_no_worker_serves_is_named_at_once(operator: Client) -> None:
    make_names(queues=("mail",))
    make_worker(queues=["default"])
    make_job(queue="mail")
    assert "and no worker serves it" in page(operator)


def test_jobs_that_wait_before_any_worker_has_run_are_noticed(operator: Client) -> None:
    make_job(queue="mail")
    assert "Jobs of the queue mail have waited" in page(operator)


@pytest.mark.parametrize(
    ("hour", "week", "bad"),
    [
        ((90, 10), (1000, 10), True),
        ((90, 10), (900, 100), False),
        ((97, 3), (1000, 0), False),
        ((9, 9), (1000, 0), False),
        ((0, 50), (0, 0), True),
    ],
)
def test_more_failures_than_usual_are_noticed(
    hour: tuple[int, int], week: tuple[int, int], bad: bool
) -> None:
    ended(10 * MINUTE, completed=hour[0], retried=hour[1])
    ended(3 * DAY, completed=week[0], failed=week[1])
    assert attention.look(timezone.now(), []).failures.is_bad == bad


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
def test_a_transaction_that_stays_open_is_noticed(operator: Client, monkeypatch) -> None:
    def told() -> bool:
        # A transaction, such as that of a test, sees the same activity for as long as it lasts.
        connection.cursor().execute("SELECT pg_stat_clear_snapshot()")
        return "A transaction has been open for" in page(operator)

    with closing(connections.create_connection("default")) as other, other.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM jobs_job")
        assert not told()
        monkeypatch.setattr(attention, "OPEN_LONG", timedelta(0))
        assert told()
        cursor.execute("ROLLBACK")
        assert not told()


SECONDS = timedelta(seconds=1)
SHIP = {"ran_13": 100, "ran_max": 8.0}
"""A class whose attempts run for 4 to 8 seconds."""


def running(*seconds: float, **values: Any) -> list[Job]:
    now = timezone.now()
    values = {"job_class": "shop.Ship"} | values
    return [make_job("running", started_at=now - one * SECONDS, **values) for one in seconds]


def slow() -> attention.Slow:
    usual.forget()
    running = glance(TrendFilter(), timezone.now()).running
    return attention.look(timezone.now(), [], running).slow


def test_running_jobs_past_the_p95_of_their_class_are_counted_and_can_be_seen(
    operator: Client,
) -> None:
    ended(HOUR, **SHIP)
    ended(HOUR, job_class="shop.Bill", ran_20=100, ran_max=900)
    quick = running(1, 2)
    late = running(20, 30, 5000)
    running(600, job_class="shop.Bill")
    running(5000, job_class="shop.Unknown")
    make_job("running", job_class="shop.Ship", started_at=None)
    assert list(slow().jobs) == [job.pk for job in late]
    assert slow().known == 6
    text = page(operator)
    assert "3 running jobs take longer than 95 % of their class&#x27;s runs." in unquoted(text)
    address = f"/?status=running&amp;after={late[0].pk - 1}"
    assert text.count(f'href="{address}"') == 2
    listed = operator.get(unescape(address)).context
    assert {job.pk for job in listed["page"].rows} >= {job.pk for job in late}
    paces = listed["paces"]
    assert [paces[job.pk].is_slow for job in (*quick, *late)] == [False, False, True, True, True]


def unquoted(text: str) -> str:
    return text.replace("'", "&#x27;").replace("&#39;", "&#x27;")


def test_the_list_begins_with_the_first_slow_job_however_many_run(operator: Client) -> None:
    ended(HOUR, **SHIP)
    running(*[1] * 30)
    (late,) = running(100)
    running(*[1] * 120)
    (address,) = set(re.findall(r'href="(/\?status=running&amp;after=\d+)"', page(operator)))
    rows = operator.get(unescape(address)).context["page"].rows
    assert len(rows) == 25
    assert rows[-1].pk == late.pk


@pytest.mark.parametrize(
    ("seconds", "bad"),
    [
        ([1] * 39 + [12], False),
        ([1] * 39 + [30], True),
        ([1] * 18 + [12], True),
        ([9] * 5, False),
        ([], False),
    ],
)
def test_one_in_twenty_past_p95_is_nothing_but_one_far_past_it_is(
    seconds: list[float], bad: bool
) -> None:
    ended(HOUR, **SHIP)
    running(*seconds)
    assert slow().is_bad == bad


def test_quick_jobs_are_not_slow_while_their_end_is_being_recorded(operator: Client) -> None:
    ended(HOUR, ran_3=1000, ran_max=0.008)
    running(1, 2, 5)
    assert slow().count == 0
    assert "Running past p95" in page(operator)


def test_of_very_many_running_jobs_it_looks_at_some_and_says_so(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "RUNNING_LOOKED_AT", 3)
    ended(HOUR, **SHIP)
    running(20, 20, 20)
    assert not slow().capped
    running(20)
    assert (slow().count, slow().capped) == (3, True)
    text = unquoted(page(operator))
    assert "At least 3 running jobs take longer than 95 % of their class&#x27;s runs." in text
    assert "of the 3 dispatched first" in text
    running(20)
    assert len(glance(TrendFilter(), timezone.now()).running) == 4


def test_running_jobs_are_read_from_the_index_of_their_status() -> None:
    if connection.vendor == "mysql":
        pytest.skip("it reads small tables as a whole, whatever its indexes")
    prefer_indexes()
    found = plan(RUNNING.format(running=1001))
    assert "jobs_job_status" in found
    assert "TEMP B-TREE" not in found
    assert "Sort" not in found


def test_workers_are_told_apart_by_their_heartbeat(operator: Client) -> None:
    now = timezone.now()
    make_worker(hostname="good")
    make_worker(hostname="late", beat_at=now - timedelta(seconds=40))
    make_worker(hostname="dead", beat_at=now - 2 * HOUR, lease_expires_at=now - HOUR)
    found = attention.look(now, [])
    assert found.alive == 2
    assert [one.hostname for one in found.late] == ["late"]
    assert [one.hostname for one in found.missing] == ["dead"]
    text = page(operator)
    assert "The worker late:100 is late with its heartbeat." in text
    assert "The worker dead:100 is presumed dead" in text
