"""Filters come from the URL, and so from anybody: nothing in them may break a page."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.states import JobStatus, WorkerStatus
from jobs.web.alllogs import LogFilter
from jobs.web.audit_filter import AuditFilter
from jobs.web.filters import JobFilter
from tests.factories import make_attempt, make_job, make_names, make_worker

HOSTILE = [
    *("1e3", "-1", "0", "9" * 19, "9" * 5000, "١٢", "²", "\0", "a\0b", "\ud800", "\u202e", "%00"),
    *(
        "'",
        "' OR 1=1 --",
        "_connector=OR",
        "<script>alert(1)</script>",
        "💥",
        "x" * 100_000,
        "{{7}}",
    ),
]
NAMES = [
    *("status", "class", "queue", "size", "before", "after", "tab", "line", "open"),
    *("q", "worker", "error", "argument", "since", "until", "by", "job", "operation", "action"),
    *("tag", "parent", "group"),
]
DROPPED = {"status", "size", "tab", "line", "open", "by", "job", "operation", "action"}
"""Of which the list takes no value that it does not offer, or none at all: the last are other pages'."""


def shown(client, query: str) -> set[int]:
    return {job.pk for job in client.get(f"/{query}").context["page"].rows}


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:20]))
def test_no_value_of_any_parameter_breaks_the_list(value, operator) -> None:
    make_attempt(make_job(JobStatus.RUNNING), "running")
    hostile = value.encode("utf-8", "surrogatepass")
    # What is dropped before anything is asked of it cannot hide another: once all together is enough.
    alone = [{name: hostile} for name in NAMES if name not in DROPPED]
    for asked in (*alone, dict.fromkeys(sorted(DROPPED), hostile)):
        assert operator.get(f"/?{urlencode(asked)}").status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40) | st.integers().map(str)))
def test_any_query_is_read_and_its_url_says_the_same(values) -> None:
    query = QueryDict(urlencode({k: v.encode("utf-8", "surrogatepass") for k, v in values.items()}))
    for kind in (JobFilter, LogFilter, AuditFilter):
        chosen = kind.parse(query)
        place = {"before": chosen.before, "after": chosen.after}
        assert kind.parse(QueryDict(chosen.url(**place)[1:])) == chosen


def test_the_hosts_of_workers_are_offered_whatever_became_of_them(operator) -> None:
    past = timezone.now() - timedelta(hours=1)
    make_worker(hostname="alive")
    make_worker(hostname="silent", lease_expires_at=past)
    for status in (WorkerStatus.LOST, WorkerStatus.STOPPED):
        make_worker(status, hostname=status.value, stopped_at=past, lease_expires_at=past)
    answer = operator.get("/?worker=unheard-of")
    assert answer.context["hosts"] == ["alive", "lost", "silent", "stopped", "unheard-of"]
    assert "<option>lost</option>" in answer.content.decode()


def test_the_hosts_cost_no_query_of_their_own_and_are_not_without_end(
    operator,
) -> None:
    with CaptureQueriesContext(connection) as queries:
        operator.get("/")
    (sql,) = [one["sql"] for one in queries if "hostname FROM" in one["sql"]]
    # Of each kind of name and of the views; around the names stands one SELECT more.
    assert sql.count("LIMIT") == sql.count("(SELECT") - 1 == 5
    assert len(queries) <= 12


def test_jobs_are_found_by_status_class_and_queue(operator) -> None:
    one = make_job(JobStatus.FAILED, job_class="shop.A", queue="mail")
    two = make_job(JobStatus.FAILED, job_class="shop.B", queue="mail")
    three = make_job(JobStatus.QUEUED, job_class="shop.A", queue="slow")
    assert shown(operator, "?status=failed") == {one.pk, two.pk}
    assert shown(operator, "?class=shop.A") == {one.pk, three.pk}
    assert shown(operator, "?queue=mail&class=shop.B") == {two.pk}
    assert shown(operator, "?status=queued&queue=slow&class=shop.A") == {three.pk}


def test_a_time_in_a_zone_that_no_database_knows_is_the_same_instant(operator) -> None:
    job = make_job()
    assert shown(operator, "?since=1970-01-01T00:00%2B23:59") == {job.pk}
    assert shown(operator, "?until=1970-01-01T00:00%2B23:59") == set()


def test_a_status_that_does_not_exist_counts_as_not_given(operator) -> None:
    job = make_job()
    assert shown(operator, "?status=nonsense") == {job.pk}


def test_the_choices_come_from_the_tables_of_names(operator) -> None:
    make_names(classes=("shop.Known",), queues=("mail",))
    make_job(job_class="shop.Unlisted", queue="unlisted")
    context = operator.get("/").context
    assert (context["classes"], context["queues"]) == (["shop.Known"], ["mail"])


def test_a_chosen_name_is_offered_even_if_no_table_has_it(operator) -> None:
    assert operator.get("/?class=shop.Gone").context["classes"] == ["shop.Gone"]


def test_tabs_keep_the_filter_and_leave_the_place(operator) -> None:
    tabs = operator.get("/?class=shop.A&queue=mail&size=50&before=9&junk=1").context["tabs"]
    assert tabs[0].url == "?class=shop.A&queue=mail&size=50"
    assert {tab.url for tab in tabs[1:]} == {
        f"?class=shop.A&queue=mail&size=50&status={status}" for status in JobStatus
    }


def test_counts_honour_the_filter(operator) -> None:
    make_job(JobStatus.FAILED, job_class="shop.A")
    make_job(JobStatus.FAILED, job_class="shop.B")
    make_job(JobStatus.QUEUED, job_class="shop.B")
    tabs = operator.get("/counts/?class=shop.B").context["tabs"]
    assert {tab.status: tab.count.value for tab in tabs if tab.count.value} == {
        "": 2,
        "failed": 1,
        "queued": 1,
    }


@pytest.mark.parametrize(
    "path", ["/jobs/%s/", "/jobs/%s/attempts/1/", "/jobs/1/attempts/%s/output/"]
)
@pytest.mark.parametrize("number", ["0", "404", str(2**63), "9" * 30, "9" * 5000])
def test_an_id_of_nothing_is_not_found(path, number, operator) -> None:
    assert operator.get(path % number).status_code == 404


def test_a_page_of_nothing_says_so_in_our_style(operator) -> None:
    answer = operator.get("/jobs/404/")
    assert "There is nothing here" in answer.content.decode()
    assert "jobs/jobs.css" in answer.content.decode()


def test_an_address_that_leads_nowhere_is_told_so_in_our_style_whatever_comes_with_it(
    client,
) -> None:
    told = client.post("/no/such/", b"x", content_type="multipart/form-data; boundary=")
    assert told.status_code == 404
    assert "There is nothing here" in told.content.decode()
