"""What the filter finds: by worker, error, time, argument and text, and what it never gives away."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import paging
from tests.factories import make_attempt, make_job, make_worker


def shown(client: Client, **query: str) -> set[int]:
    return {job.pk for job in client.get(f"/?{urlencode(query)}").context["page"].rows}


def page(client: Client, **query: str) -> str:
    return str(client.get(f"/?{urlencode(query)}").content.decode())


def test_jobs_are_found_by_the_worker_that_had_them(operator) -> None:
    job = make_job()
    make_attempt(job, worker=make_worker(hostname="alpha"))
    make_attempt(make_job(), worker=make_worker(hostname="beta"))
    assert shown(operator, worker="alpha") == {job.pk}


def test_jobs_are_found_by_the_type_of_their_error(operator) -> None:
    job = make_job(JobStatus.FAILED, error_type="ValueError")
    make_job(JobStatus.FAILED, error_type="UnicodeDecodeValueError")
    assert shown(operator, error="ValueError") == {job.pk}


def test_jobs_are_found_by_when_they_were_dispatched(operator) -> None:
    now = timezone.now()
    old, new = make_job(created_at=now - timedelta(hours=5)), make_job()
    assert shown(operator, since="1h") == {new.pk}
    assert shown(operator, until="1h") == {old.pk}
    between = {"since": (now - timedelta(hours=6)).isoformat(), "until": "24h"}
    assert shown(operator, **between) == set()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"customer": 7}, "customer:7"),
        ({"customer": "7"}, "customer:7"),
        ({"customer": "ana"}, "customer:ana"),
        ({"customer": "a:b"}, "customer: a:b"),
        ({"address": {"city": "Köln"}}, "address.city:Köln"),
        ({"ids": [5, 6]}, "ids.1:6"),
        ({"force": True}, "force:true"),
        ({"contains": 1}, "contains:1"),
        ({"a__gt": 1}, "a__gt:1"),
        ({"big": 2**62}, f"big:{2**62}"),
        ({"rate": 0.5}, "rate:0.5"),
    ],
)
def test_jobs_are_found_by_an_argument(arguments, wanted, operator) -> None:
    job = make_job(arguments=arguments)
    make_job(arguments={"customer": 8, "address": {"city": "Bonn"}})
    assert shown(operator, argument=wanted) == {job.pk}


@pytest.mark.parametrize(
    "odd", ["x:1e999", "x:NaN", "x:" + "9" * 190, "x:'", 'x:"', "a'b:1", 'a"b:1', "$[0]:1", "%s:1"]
)
def test_odd_arguments_find_nothing_and_break_nothing(odd, operator) -> None:
    make_job(arguments={"x": 1})
    assert shown(operator, argument=odd) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [("sendinv", True), ("VALUE", True), ("%", False), ("_", False), ("x", False)],
)
def test_text_is_looked_for_in_class_and_error(text, found, operator) -> None:
    job = make_job(JobStatus.FAILED, error_type="ValueError")
    assert shown(operator, q=text) == ({job.pk} if found else set())


def test_a_number_finds_its_job(operator) -> None:
    job, _ = make_job(), make_job()
    assert shown(operator, q=str(job.pk)) == {job.pk}
    assert shown(operator, q="9" * 60) == set()


def test_a_number_finds_its_job_however_old_it_is(operator, monkeypatch) -> None:
    monkeypatch.setattr(paging, "SLOW_SPAN", 5)
    old = make_job(queue="mail", tags=["vip"])
    newer = [make_job(JobStatus.FAILED, error_type=f"E{old.pk}") for _ in range(12)]
    number = str(old.pk)
    found = [job.pk for job in operator.get(f"/?q={number}").context["page"].rows]
    assert found == [old.pk, *(job.pk for job in newer[: -len(found) : -1])]
    assert 1 < len(found) < 8
    assert shown(operator, q=number, queue="mail", tag="vip") == {old.pk}
    assert old.pk not in shown(operator, q=number, queue="other")
    assert old.pk not in shown(operator, q=number, before=str(newer[-1].pk))
    answer = operator.get(f"/api/jobs/?q={number}&queue=mail").json()
    assert [job["id"] for job in answer["jobs"]] == [old.pk]


def test_the_page_of_a_number_asks_little(operator, monkeypatch) -> None:
    monkeypatch.setattr(paging, "SLOW_SPAN", 5)
    old = make_job()
    for _ in range(12):
        make_job()
    with CaptureQueriesContext(connection) as queries:
        assert shown(operator, q=str(old.pk)) == {old.pk}
    assert len(queries) <= 12


def test_messages_are_searched_only_for_who_may_read_them(operator, visitor) -> None:
    job = make_job(JobStatus.FAILED, error_message="disk full")
    assert shown(operator, q="disk") == {job.pk}
    assert shown(visitor("view_job"), q="disk") == set()


def test_arguments_are_searched_only_for_who_may_read_them(visitor) -> None:
    make_job(arguments={"customer": 7})
    html = page(visitor("view_job"), argument="customer:7")
    assert "You cannot be told what matches" in html
    assert "view_job_arguments" in html
    assert "SendInvoice" not in html


def test_masked_values_cannot_be_guessed_by_searching(operator) -> None:
    make_job(arguments={"login": {"password": "hunter2"}})
    html = page(operator, argument="login.password:hunter2")
    assert "The values of login.password are masked" in html
    assert "SendInvoice" not in html
    counts = operator.get("/counts/?argument=login.password:hunter2").context["tabs"]
    assert {tab.count for tab in counts} == {None}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "tomorrow"}, "“tomorrow” is not a time"),
        ({"until": "9999-99-99"}, "is not a time"),
        ({"argument": "no colon"}, "names no argument"),
    ],
)
def test_a_value_that_means_nothing_is_named(query, said, operator) -> None:
    assert said in page(operator, **query)


def test_a_filter_in_use_is_listed_with_a_link_that_removes_it(operator) -> None:
    html = page(operator, error="ValueError", queue="mail", status="failed")
    assert '<a href="?queue=mail&amp;status=failed"' in html
    assert '<a href="?status=failed&amp;error=ValueError"' in html


def test_a_search_says_how_far_it_looks(operator) -> None:
    make_job()
    assert "looks through 50,000 job numbers" in page(operator, error="ValueError")
    for slow in ({"q": "x"}, {"worker": "alpha"}, {"argument": "a:1"}):
        assert "looks through 20,000 job numbers" in page(operator, **slow)
    assert "looks through" not in page(operator, queue="default")


def test_nothing_yet_nothing_matching_and_not_allowed_are_three_things(operator, visitor) -> None:
    assert "No jobs yet" in page(operator)
    make_job()
    assert "No job matches" in page(operator, q="nothing")
    assert "You cannot be told" in page(visitor("view_job"), argument="a:1")
    assert Job.objects.count() == 1
