"""The page that compares two attempts says which they are, and where they and their logs differ."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import Attempt
from jobs.states import JobStatus
from tests.factories import make_attempt, make_job, make_output

from .test_attempt_page import GIB, page


def compared(client: Any, one: Attempt, other: Attempt | None = None) -> str:
    query = f"?a={one.pk}" + (f"&b={other.pk}" if other else "")
    answer = client.get(reverse("jobs:compare") + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_failure_is_compared_with_the_last_success_of_its_class(operator) -> None:
    older = make_attempt(make_job(JobStatus.COMPLETED))
    success = make_attempt(make_job(JobStatus.COMPLETED))
    make_attempt(make_job(JobStatus.COMPLETED, job_class="shop.Other"))
    failure = make_attempt(make_job(JobStatus.FAILED), "failed")
    html = compared(operator, failure)
    assert success.get_absolute_url() in html
    assert older.get_absolute_url() not in html
    assert reverse("jobs:compare") + f"?a={failure.pk}" in page(operator, failure)


def test_an_attempt_is_compared_with_the_one_before_it(operator, job) -> None:
    first = make_attempt(job, "failed")
    second = make_attempt(job, "failed")
    query = f"?a={second.pk}&n=1"
    assert reverse("jobs:compare") + query.replace("&", "&amp;") in page(operator, second)
    html = operator.get(reverse("jobs:compare") + query).content.decode()
    assert first.get_absolute_url() in html
    assert "Two attempts compared" in html


def test_a_comparison_takes_few_queries(operator) -> None:
    make_output(make_attempt(make_job(JobStatus.COMPLETED)), ("out", "a\n"))
    failure = make_attempt(make_job(JobStatus.FAILED), "failed")
    make_output(failure, ("out", "b\n"))
    with CaptureQueriesContext(connection) as queries:
        compared(operator, failure)
    assert len(queries) <= 12
    assert all("LIMIT" in one["sql"] for one in queries if "jobs_" in one["sql"])


def test_without_a_success_there_is_nothing_to_compare(operator, job) -> None:
    html = compared(operator, make_attempt(job, "failed"))
    assert "No success to compare with" in html


def test_figures_and_arguments_stand_side_by_side(operator) -> None:
    now = timezone.now()
    pair = []
    for seconds, arguments in ((2, {"id": 7, "same": 1}), (70, {"id": 8, "same": 1, "token": "X"})):
        job = make_job(JobStatus.COMPLETED, arguments=arguments)
        started = now - timedelta(seconds=seconds)
        pair.append(make_attempt(job, started_at=started, finished_at=now, peak_rss=GIB))
    html = compared(operator, *pair)
    assert "2.0 s" in html
    assert "1 min 10 s" in html
    assert html.count("differs</b>") == 2
    assert '"X"' not in html
    assert "X</code>" not in html


def test_arguments_need_their_permission(visitor) -> None:
    pair = [make_attempt(make_job(arguments={"id": f"ARGUMENT{n}"})) for n in (1, 2)]
    html = compared(visitor("view_job", "view_job_logs"), *pair)
    assert "ARGUMENT" not in html
    assert "Arguments need the permission to view them." in html


def test_the_first_line_that_differs_is_shown_numbers_aside(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    make_output(pair[0], ("out", "12:01:03 begin 4711\nid 5d41402abc4b2a76\ngood\nend\n"))
    make_output(pair[1], ("out", "12:09:59 begin 88\nid 7d793037a0760186\nbad\nend\n"))
    html = compared(operator, *pair)
    assert f'href="{pair[0].get_absolute_url()}?line=3#L3"' in html
    assert f'href="{pair[1].get_absolute_url()}?line=3#L3"' in html
    assert "good" in html
    assert "bad" in html
    assert "begin" not in html


def test_a_log_that_ends_before_the_other_differs_there(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    make_output(pair[0], ("out", "begin\nmore\n"))
    make_output(pair[1], ("out", "begin\n"))
    html = compared(operator, *pair)
    assert "has ended here" in html
    assert "more" in html


def test_equal_logs_are_said_to_be_equal(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    for attempt in pair:
        make_output(attempt, ("out", "same\n"))
    assert "lines say the same" in compared(operator, *pair)


@pytest.mark.parametrize("query", ["", "?a=", "?a=x", "?a=999999", "?a=9999999999999999999"])
def test_an_attempt_that_is_not_there_cannot_be_compared(operator, query) -> None:
    assert operator.get(reverse("jobs:compare") + query).status_code == 404


def test_any_other_attempt_can_be_chosen_to_compare_with(operator, job) -> None:
    first, second = make_attempt(job, "failed"), make_attempt(job, "failed")
    other = make_job(JobStatus.COMPLETED, job_class=job.job_class)
    make_attempt(other, "failed")
    latest = make_attempt(other)
    strange = make_attempt(make_job(JobStatus.COMPLETED, job_class="shop.Other"))
    answer = operator.get(reverse("jobs:compare"), {"a": second.pk})
    offered = re.findall(r'<option value="(\d+\.\d+)"', answer.content.decode())
    assert offered == [f"{job.pk}.1", f"{other.pk}.2"]
    for picked, found in (
        ({"with": f"{job.pk}.1"}, first),
        ({"with": f"{other.pk}.2"}, latest),
        ({"typed": str(other.pk)}, latest),
        ({"typed": f"#{strange.job_id} · 1", "with": f"{job.pk}.1"}, strange),
    ):
        answer = operator.get(reverse("jobs:compare"), {"a": second.pk, **picked})
        assert answer.context["other"] == found
        assert "Two attempts compared" in answer.content.decode()


@pytest.mark.parametrize("typed", ["x", "9.9", "1.2.3", "9" * 18, "-1", "1." + "9" * 9])
def test_what_names_no_attempt_compares_with_none(typed, operator, job) -> None:
    attempt = make_attempt(job, "failed")
    answer = operator.get(reverse("jobs:compare"), {"a": attempt.pk, "typed": typed})
    assert answer.status_code == 200
    assert "The other attempt is not there" in answer.content.decode()
