"""What the script relies on: pages fetched again, answered with 304 while nothing changed."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from jobs.states import JobStatus
from tests.factories import make_attempt, make_job, make_worker

LIVE = {"x-jobs-live": "1"}


def test_a_page_that_did_not_change_is_not_sent_again(operator) -> None:
    make_job(JobStatus.COMPLETED)
    first = operator.get("/", headers=LIVE)
    second = operator.get("/", headers=LIVE | {"if-none-match": first["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second["ETag"] == first["ETag"]


def test_a_tag_weakened_on_its_way_still_counts(operator) -> None:
    first = operator.get("/", headers=LIVE)
    again = operator.get("/", headers=LIVE | {"if-none-match": f"W/{first['ETag']}"})
    assert again.status_code == 304


def test_a_page_that_changed_is_sent(operator) -> None:
    first = operator.get("/", headers=LIVE)
    make_job()
    second = operator.get("/", headers=LIVE | {"if-none-match": first["ETag"]})
    assert second.status_code == 200


def test_two_visitors_with_other_rights_never_share_a_tag(visitor) -> None:
    make_job(JobStatus.FAILED)
    one = visitor("view_job").get("/")
    two = visitor("view_job", "retry_job").get("/")
    assert one["ETag"] != two["ETag"]


def test_a_reader_reloading_the_page_gets_it_in_full(operator) -> None:
    first = operator.get("/")
    assert operator.get("/", headers={"if-none-match": first["ETag"]}).status_code == 200


def test_a_refresh_leaves_messages_to_the_page_they_are_for(operator) -> None:
    job = make_job()
    operator.post(reverse("jobs:cancel", args=[job.pk]))
    operator.get("/", headers=LIVE)
    assert [str(one) for one in get_messages(operator.get("/").wsgi_request)]


@pytest.mark.parametrize("region", ["statistics", "tabs", "jobs", "paging"])
def test_the_list_names_its_regions(region, operator) -> None:
    assert f'data-live="{region}"' in operator.get("/").content.decode()


@pytest.mark.parametrize(
    ("status", "seconds"), [(JobStatus.RUNNING, 2), (JobStatus.QUEUED, 2), (JobStatus.FAILED, 0)]
)
def test_a_job_page_refreshes_while_the_job_is_not_finished(status, seconds, operator) -> None:
    make_worker()
    job = make_job(status)
    make_attempt(job, "running" if status == JobStatus.RUNNING else "failed")
    html = operator.get(job.get_absolute_url()).content.decode()
    assert f'data-interval="{seconds}"' in html
    assert ("data-settled" in html) == (status == JobStatus.FAILED)
