"""The page of errors: groups of like failures, and the way from them to their jobs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.fingerprints import likeness
from jobs.lifecycle import errors
from jobs.lifecycle.engines import engine_for
from jobs.models import Job
from jobs.states import JobStatus
from tests.factories import make_job

pytestmark = pytest.mark.django_db


def failed(
    message: str = "order 17 is not payable",
    job_class: str = "shop.Ship",
    error: str = "ValueError",
    ago: timedelta = timedelta(0),
    job_id: int = 1,
) -> None:
    tally = errors.ErrorTally()
    tally.add(job_class, error, message, job_id, timezone.now() - ago)
    tally.store(engine_for())


def failed_job(message: str, job_class: str = "shop.Ship", status: str = JobStatus.FAILED) -> Job:
    """Store a job with this error, in the group it belongs to."""
    group = likeness(job_class, "ValueError", message).fingerprint
    values = {"error_type": "ValueError", "error_message": message, "error_group": group}
    return make_job(status, job_class=job_class, **values)


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/errors/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_without_failures_the_page_says_so(operator: Client) -> None:
    assert "No attempt failed in the last 7 days." in page(operator)
    text = page(operator, "?class=shop.Ship")
    assert "No attempt of this class failed in the last 7 days." in text
    assert "Show every class" in text


def test_a_group_is_shown_with_its_windows(operator: Client) -> None:
    for hours in (0, 0, 5, 60):
        failed(ago=timedelta(hours=hours))
    text = page(operator)
    assert "order … is not payable" in text
    assert re.findall(r"<dd>(\d+)</dd>", text) == ["2", "3", "4", "4"]
    assert "4 failed attempts in 7 days" in text


def test_the_window_decides_which_group_comes_first(operator: Client) -> None:
    for _ in range(3):
        failed(error="Early", ago=timedelta(hours=5))
    failed(error="Late")

    def first(query: str) -> str:
        groups = page(operator, query).split('class="groups"')[1]
        return str(re.findall(r"<h2>(\w+) ", groups)[0])

    assert first("?window=1h") == "Late"
    assert first("?window=7d") == first("?window=nonsense") == first("") == "Early"


def test_a_message_is_not_shown_to_those_who_may_not_read_it(visitor) -> None:
    failed("the secret word is xyzzy")
    text = page(visitor("view_job", "retry_job"))
    assert "xyzzy" not in text
    assert "ValueError" in text
    assert "You may not see messages." in text


def test_a_message_is_escaped(operator: Client) -> None:
    failed("<script>alert(1)</script> \x1b[31mred")
    text = page(operator)
    assert "<script>alert" not in text
    assert "\x1b" not in text


def test_a_group_leads_to_its_failed_jobs_and_no_others(operator: Client) -> None:
    message = "order 17 is not payable"
    mine = failed_job(message)
    others = [
        failed_job(f"{message}, nor is another"),
        failed_job(message, "shop.Bill"),
        failed_job(message, status=JobStatus.RETRYING),
        make_job(JobStatus.COMPLETED, job_class="shop.Ship"),
    ]
    failed(message, job_id=mine.pk)
    (link,) = re.findall(r'href="([^"]+)">Failed jobs', page(operator))
    listed = operator.get(unescape(link)).content.decode()
    assert f'id="job-{mine.pk}"' in listed
    for other in others:
        assert f'id="job-{other.pk}"' not in listed


def test_retrying_a_group_begins_at_the_page_that_says_what_it_will_do(operator: Client) -> None:
    job, other = failed_job("no 1 here"), failed_job("no 1 here now")
    failed("no 1 here")
    (link,) = re.findall(r'href="([^"]+)">Retry all', page(operator))
    address = urlsplit(unescape(link))
    asked = parse_qs(parse_qs(address.query)["filter"][0].removeprefix("?"))
    assert asked == {"status": ["failed"], "group": [job.error_group]}
    confirmed = operator.get(unescape(link))
    assert confirmed.status_code == 200
    html = confirmed.content.decode()
    assert "Retry 1 job?" in html
    assert f"#{job.pk}</a>" in html
    assert f"#{other.pk}</a>" not in html
    assert "ValueError · shop.Ship · no … here" in html
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED


def test_a_group_is_retried_by_those_who_may_not_read_its_message(visitor) -> None:
    job, other = failed_job("the word 1 is xyzzy"), failed_job("else")
    failed("the word 1 is xyzzy")
    client = visitor("view_job", "retry_job")
    (link,) = re.findall(r'href="([^"]+)">Retry all', page(client))
    html = client.get(unescape(link)).content.decode()
    assert "xyzzy" not in html
    assert "ValueError · shop.Ship" in html
    asked = parse_qs(urlsplit(unescape(link)).query)
    client.post("/jobs/retry/run/", {"all": "1", "filter": asked["filter"][0]})
    for one in (job, other):
        one.refresh_from_db()
    assert (job.status, other.status) == (JobStatus.QUEUED, JobStatus.FAILED)


def test_one_group_is_shown_alone(operator: Client) -> None:
    failed("mine")
    failed("theirs")
    group = likeness("shop.Ship", "ValueError", "mine").fingerprint
    text = page(operator, f"?group={group}")
    assert "mine" in text
    assert "theirs" not in text
    assert "No attempt failed like this in the last 7 days." in page(operator, "?group=0")


def test_a_failed_job_leads_to_its_group_and_to_the_jobs_that_failed_so(operator: Client) -> None:
    job = failed_job("no 1 here")
    for _ in range(3):
        failed("no 2 here", ago=timedelta(hours=2))
    html = operator.get(job.get_absolute_url()).content.decode()
    assert f'href="/errors/?group={job.error_group}">3 failed attempts like this' in html
    assert f'href="/?status=failed&amp;group={job.error_group}"' in html


def test_the_list_names_the_group_it_shows_and_keeps_it(operator: Client) -> None:
    job = failed_job("no 1 here")
    failed("no 1 here")
    html = operator.get(f"/?status=failed&group={job.error_group}").content.decode()
    assert "ValueError · shop.Ship · no … here" in html
    assert f'<input type="hidden" name="group" value="{job.error_group}">' in html
    assert "No index holds this filter" not in html
    counted = operator.get(f"/counts/?status=failed&group={job.error_group}").context["tabs"]
    assert {tab.status: tab.count.value for tab in counted}["failed"] == 1


def test_retrying_is_offered_to_those_who_may(visitor) -> None:
    failed()
    assert "Retry all" not in page(visitor("view_job", "view_job_logs"))


def test_the_rest_of_a_class_is_shown_without_a_way_to_retry_it(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "GROUPS_PER_CLASS", 0)
    failed()
    text = page(operator)
    assert "Other errors" in text
    assert "Retry all" not in text


@pytest.mark.parametrize(
    "query", ["?window=99y", "?window=", "?class=%00", "?class=" + "x" * 9000, "?before=-1"]
)
def test_an_address_that_makes_no_sense_shows_the_last_day(query: str, operator: Client) -> None:
    assert re.search(r'aria-current="page">24 hours', page(operator, query))


def test_the_page_takes_the_same_few_queries_for_more_groups(operator: Client) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            page(operator)
        return [query["sql"] for query in queries]

    failed()
    few = statements()
    for number in range(30):
        failed(error=f"Error{number}")
    many = statements()
    assert len(many) == len(few) <= 12
    for sql in many:
        assert '"jobs_job"' not in sql
        assert '"jobs_attempt"' not in sql
