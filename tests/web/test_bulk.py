"""Retry and cancel for many: what the page promises, what is done, and what is said of it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.lifecycle import operations
from jobs.lifecycle.engines import engine_for
from jobs.models import AuditEntry, Job, Operation
from jobs.selection import Selection
from jobs.states import JobStatus, OperationKind, OperationStatus
from jobs.web import bulk, filters
from tests.factories import make_job, make_operation, make_user, make_worker

HOUR = timedelta(hours=1)


def confirm(client: Client, kind: str = "retry", **query: Any) -> str:
    answer = client.get(f"/jobs/{kind}/?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def fields(html: str) -> dict[str, list[str]]:
    """Return what the form of a confirm page sends."""
    form = html.partition('<form class="panel confirm"')[2].partition("</form>")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form):
        found.setdefault(name, []).append(value)
    return found


def run(client: Client, kind: str = "retry", **query: Any) -> tuple[str, str]:
    """Ask, confirm; return where that led and what was said."""
    answer = client.post(f"/jobs/{kind}/run/", fields(confirm(client, kind, **query)))
    assert answer.status_code == 302
    return answer["Location"], " ".join(str(one) for one in get_messages(answer.wsgi_request))


def statuses() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("status", flat=True))


def test_the_page_repeats_the_filter_the_number_and_some_of_the_jobs(operator) -> None:
    jobs = [make_job(JobStatus.FAILED, queue="mail") for _ in range(7)]
    html = confirm(operator, all=1, filter="?status=failed&queue=mail")
    assert "Retry 7 jobs?" in html
    assert "<dt>Queue</dt><dd>mail</dd>" in html
    assert "<dt>Status</dt><dd>Failed</dd>" in html
    assert html.count('<a href="/jobs/') == 5
    assert f"#{jobs[-1].pk}" in html


def test_the_page_changes_nothing(operator) -> None:
    make_job(JobStatus.FAILED)
    confirm(operator, all=1, filter="?status=failed")
    assert statuses() == ["failed"]
    assert not Operation.objects.exists()


def test_the_page_says_what_is_passed_over(operator) -> None:
    ids = [make_job(s).pk for s in ("failed", "completed", "completed", "running")]
    html = confirm(operator, id=[*ids, 999_999])
    assert "Retry 1 job?" in html
    assert "2 Completed, 1 Running, 1 Deleted" in html
    assert "1 Running, 2 Completed" in confirm(operator, all=1, filter="?")


@pytest.mark.parametrize("tags", [{}, {"tag": "vip"}])
def test_a_status_beside_the_accepted_ones_asks_for_nothing_twice(tags, db) -> None:
    accepted = operations.ACCEPTED[OperationKind.RETRY]
    never = Selection(status=JobStatus.COMPLETED, **tags)
    with CaptureQueriesContext(connection) as queries:
        assert not list(never.jobs(among=accepted).order_by(never.key))
    assert not queries
    failed = Selection(status=JobStatus.FAILED, **tags)
    assert str(failed.jobs(among=accepted).query) == str(failed.jobs().query)


def test_ticked_jobs_are_changed_at_once_and_each_refusal_has_a_reason(operator) -> None:
    make_worker()
    ids = [make_job(s).pk for s in ("failed", "cancelled", "completed")]
    other = make_job(JobStatus.FAILED)
    place, said = run(operator, id=ids, filter="?queue=default&before=99")
    assert place == "/?queue=default&before=99"
    assert "2 jobs are queued again. Skipped: 1 completed." in said
    assert statuses() == ["queued", "queued", "completed", "failed"]
    operation = Operation.objects.get()
    assert operation.get_absolute_url() in said
    assert operation.skipped_jobs == [[ids[2], "completed"]]
    other.refresh_from_db()
    assert other.status == JobStatus.FAILED


def test_all_that_match_on_every_page_are_changed_and_nothing_else(operator) -> None:
    for _ in range(60):
        make_job(JobStatus.FAILED, queue="mail")
    other = make_job(JobStatus.FAILED, queue="slow")
    run(operator, all=1, filter="?status=failed&queue=mail", id=[other.pk])
    assert Job.objects.filter(status="queued", queue="mail").count() == 60
    other.refresh_from_db()
    assert other.status == JobStatus.FAILED


def test_cancelling_many_says_what_happened(operator) -> None:
    make_job()
    make_job(JobStatus.RUNNING)
    _, said = run(operator, "cancel", all=1, filter="?")
    assert "2 jobs were cancelled or asked to stop." in said
    assert set(AuditEntry.objects.values_list("operation_id", flat=True)) == {
        Operation.objects.get().pk
    }


def test_more_than_fits_into_a_request_becomes_an_operation_of_workers(
    operator, monkeypatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    for _ in range(5):
        make_job(JobStatus.FAILED)
    query: dict[str, Any] = {"all": 1, "filter": "?status=failed"}
    assert "workers carry it out as an operation" in confirm(operator, **query)
    _, said = run(operator, **query)
    assert "workers carry it out" in said
    operation = Operation.objects.get()
    assert (operation.status, operation.done, operation.estimated) == ("waiting", 0, 5)
    while operations.advance(engine_for()):
        pass
    operation.refresh_from_db()
    assert (operation.status, operation.done) == (OperationStatus.COMPLETED, 5)


def test_jobs_that_came_after_the_page_are_left_alone(operator) -> None:
    make_job(JobStatus.FAILED)
    form = fields(confirm(operator, all=1, filter="?status=failed"))
    new = make_job(JobStatus.FAILED)
    late = Job.objects.order_by("pk").first()
    operator.post("/jobs/retry/run/", form)
    assert late is not None
    late.refresh_from_db()
    new.refresh_from_db()
    assert (late.status, new.status) == ("queued", "failed")


@pytest.mark.parametrize(
    ("asked", "expected"), [("until=1h", ["queued", "failed"]), ("since=1h", ["failed", "queued"])]
)
def test_a_time_before_now_means_what_it_meant_when_the_page_was_made(
    asked, expected, operator, monkeypatch
) -> None:
    now = timezone.now()
    for age in (2 * HOUR, HOUR / 2):
        make_job(JobStatus.FAILED, created_at=now - age)
    html = confirm(operator, all=1, filter=f"?status=failed&{asked}")
    assert "Retry 1 job?" in html
    # Read at this time, `1h` would mean both jobs in the one case, and none in the other.
    later = SimpleNamespace(now=lambda: now + HOUR)
    monkeypatch.setattr(filters, "timezone", later)
    operator.post("/jobs/retry/run/", fields(html))
    assert statuses() == expected


def test_a_time_to_come_in_the_form_counts_as_now(operator) -> None:
    make_job(JobStatus.FAILED)
    form = fields(confirm(operator, all=1, filter="?status=failed"))
    form["asked_at"] = [(timezone.now() + timedelta(days=1)).isoformat()]
    operator.post("/jobs/retry/run/", form)
    assert Operation.objects.get().asked_at <= timezone.now()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"all": 1, "filter": "?since=tomorrow"}, "is not a time"),
        ({"all": 1, "filter": "?argument=x"}, "names no argument"),
        ({"all": 1, "filter": "?argument=api_key:x"}, "are masked"),
    ],
)
def test_what_was_not_understood_changes_nothing(query, said, operator) -> None:
    make_job(JobStatus.FAILED)
    for answer in (
        operator.get(f"/jobs/retry/?{urlencode(query, doseq=True)}"),
        operator.post("/jobs/retry/run/", query),
    ):
        assert answer.status_code == 400
        assert said in answer.content.decode()
    assert statuses() == ["failed"]


@pytest.mark.parametrize("query", [{}, {"id": ["x", "-1", "9" * 30, "٣"]}])
def test_nothing_selected_leads_back_and_says_so(query, operator) -> None:
    make_job(JobStatus.FAILED)
    for answer in (
        operator.get(f"/jobs/retry/?{urlencode(query, doseq=True)}"),
        operator.post("/jobs/retry/run/", query),
    ):
        assert (answer.status_code, answer["Location"]) == (302, "/?")
        assert "No job was selected." in map(str, get_messages(answer.wsgi_request))
    assert statuses() == ["failed"]


def test_a_filter_by_arguments_needs_the_right_to_see_them(visitor) -> None:
    client = visitor("view_job", "retry_job")
    answer = client.post("/jobs/retry/run/", {"all": "1", "filter": "?argument=a:1"})
    assert answer.status_code == 400
    assert "view_job_arguments" in answer.content.decode()


def test_without_a_worker_the_page_says_that_nothing_will_happen(operator) -> None:
    make_job(JobStatus.FAILED)
    assert "No worker is running" in confirm(operator, all=1, filter="?")
    make_worker()
    assert "No worker is running" not in confirm(operator, all=1, filter="?")


def test_nothing_to_change_leaves_the_button_off(operator) -> None:
    make_job(JobStatus.COMPLETED)
    html = confirm(operator, all=1, filter="?status=completed")
    assert '<button class="button primary" disabled>' in html


@pytest.mark.parametrize("kind", ["retry", "cancel"])
def test_a_form_without_its_token_is_refused(kind, db) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("view_job", "retry_job", "cancel_job"))
    make_job(JobStatus.FAILED)
    assert client.post(f"/jobs/{kind}/run/", {"all": "1"}).status_code == 403
    assert client.post(f"/operations/{make_operation().pk}/stop/").status_code == 403
    assert Operation.objects.get().stop_requested_at is None


def test_it_leads_to_no_other_site(operator) -> None:
    make_job(JobStatus.FAILED)
    form = fields(confirm(operator, all=1, filter="?")) | {"next": ["https://evil.example/"]}
    assert operator.post("/jobs/retry/run/", form)["Location"] == "/?"


def test_the_list_offers_only_what_a_visitor_may_do(visitor) -> None:
    make_job(JobStatus.FAILED)
    html = visitor("view_job", "retry_job").get("/").content.decode()
    assert 'formaction="/jobs/retry/"' in html
    assert 'formaction="/jobs/cancel/"' not in html
    assert 'name="id"' not in visitor("view_job").get("/").content.decode()
