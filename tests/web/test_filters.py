"""Filters come from the URL, and so from anybody: nothing in them may break a page."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.states import JobStatus
from jobs.web.alllogs import LogFilter
from jobs.web.filters import JobFilter
from jobs.web.history import AuditFilter
from tests.factories import make_attempt, make_job, make_names

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
]


def shown(client, query: str) -> set[int]:
    return {job.pk for job in client.get(f"/{query}").context["page"].rows}


@pytest.mark.parametrize(
    "path",
    ["/", "/counts/", "/audit/", "/view/logs", "/view/logs/?tab=errors&", "job", "attempt"],
)
@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_a_parameter_breaks_a_page(path, name, operator) -> None:
    job = make_job(JobStatus.RUNNING)
    attempt = make_attempt(job, "running")
    path = {"job": job.get_absolute_url(), "attempt": attempt.get_absolute_url()}.get(path, path)
    for value in HOSTILE:
        query = urlencode({name: value.encode("utf-8", "surrogatepass")})
        answer = operator.get(path + ("" if "?" in path else "?") + query)
        assert answer.status_code == 200, value[:20]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40) | st.integers().map(str)))
def test_any_query_is_read_and_its_url_says_the_same(values) -> None:
    query = QueryDict(urlencode({k: v.encode("utf-8", "surrogatepass") for k, v in values.items()}))
    for kind in (JobFilter, LogFilter, AuditFilter):
        chosen = kind.parse(query)
        place = {"before": chosen.before, "after": chosen.after}
        assert kind.parse(QueryDict(chosen.url(**place)[1:])) == chosen


def test_jobs_are_found_by_status_class_and_queue(operator) -> None:
    one = make_job(JobStatus.FAILED, job_class="shop.A", queue="mail")
    two = make_job(JobStatus.FAILED, job_class="shop.B", queue="mail")
    three = make_job(JobStatus.QUEUED, job_class="shop.A", queue="slow")
    assert shown(operator, "?status=failed") == {one.pk, two.pk}
    assert shown(operator, "?class=shop.A") == {one.pk, three.pk}
    assert shown(operator, "?queue=mail&class=shop.B") == {two.pk}
    assert shown(operator, "?status=queued&queue=slow&class=shop.A") == {three.pk}


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
