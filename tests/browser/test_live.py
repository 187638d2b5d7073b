"""The refresh helps and never gets in the way."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Request, Response, expect

from jobs.models import Job
from jobs.states import JobStatus
from tests.factories import make_job, make_worker
from tests.waiting import wait_until


def counted(page: Page) -> list[str]:
    """Return a list that grows by the address of each refresh."""
    requests: list[str] = []

    def note(request: Request) -> None:
        if "x-jobs-live" in request.headers and "/counts/" not in request.url:
            requests.append(request.url)

    page.on("request", note)
    return requests


def refreshes(page: Page, requests: list[Any]) -> bool:
    """Let the page go on for a moment; return whether it has refreshed."""
    page.wait_for_timeout(50)
    return bool(requests)


@pytest.fixture
def page(open_page) -> Page:
    make_worker()
    make_job(JobStatus.COMPLETED)
    page: Page = open_page()
    return page


def every_two_seconds(page: Page) -> list[str]:
    requests = counted(page)
    page.get_by_label("Refresh every").select_option("2")
    wait_until(lambda: refreshes(page, requests))
    requests.clear()
    return requests


def test_the_chosen_pace_is_remembered(page) -> None:
    page.get_by_label("Refresh every").select_option("30")
    page.reload()
    expect(page.get_by_label("Refresh every")).to_have_value("30")


def test_off_means_off(page) -> None:
    requests = every_two_seconds(page)
    page.get_by_label("Refresh every").select_option("0")
    expect(page.get_by_text("Not refreshing")).to_be_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(3_000)
    assert requests == []


def test_selected_text_stays_selected(page) -> None:
    requests = every_two_seconds(page)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('td .title'))")
    expect(page.get_by_text("Paused: text is selected")).to_be_visible()
    assert requests == []
    page.evaluate("getSelection().removeAllRanges()")
    wait_until(lambda: refreshes(page, requests))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_field_in_use_is_left_alone(page) -> None:
    requests = every_two_seconds(page)
    page.get_by_label("Class").focus()
    expect(page.get_by_text("Paused: a field is in use")).to_be_visible()
    assert requests == []


def test_a_new_job_appears_by_itself(page) -> None:
    every_two_seconds(page)
    job = make_job()
    expect(page.locator(f"#job-{job.pk}")).to_be_visible(timeout=10_000)


def test_rows_under_the_pointer_change_in_place_and_new_ones_are_announced(page) -> None:
    every_two_seconds(page)
    known = make_job(JobStatus.RUNNING)
    row = page.locator(f"#job-{known.pk}")
    expect(row).to_be_visible(timeout=10_000)
    row.hover()
    place = row.bounding_box()
    new = make_job()
    Job.objects.filter(pk=known.pk).update(progress={"done": 1, "total": 2, "message": "halfway"})
    expect(row.get_by_text("halfway")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("link", name="1 new: show")).to_be_visible()
    expect(page.locator(f"#job-{new.pk}")).to_have_count(0)
    assert row.bounding_box()["x"] == place["x"]
    page.get_by_role("link", name="1 new: show").click()
    expect(page.locator(f"#job-{new.pk}")).to_be_visible()


def test_an_idle_page_is_answered_with_nothing(page) -> None:
    statuses: list[int] = []

    def note(response: Response) -> None:
        if "x-jobs-live" in response.request.headers and "/counts/" not in response.url:
            statuses.append(response.status)

    page.on("response", note)
    page.get_by_label("Refresh every").select_option("2")
    wait_until(lambda: refreshes(page, statuses[1:]))
    assert statuses[1] == 304


def test_an_open_list_of_workers_stays_open(page) -> None:
    every_two_seconds(page)
    page.locator("#workers > summary").click()
    job = make_job()
    expect(page.locator(f"#job-{job.pk}")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("cell", name="alpha")).to_be_visible()


def test_a_finished_job_is_not_asked_for_again(page) -> None:
    page.goto(make_job(JobStatus.COMPLETED).get_absolute_url())
    expect(page.get_by_text("Finished", exact=True).first).to_be_visible()
    requests = counted(page)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(3_000)
    assert requests == []


def test_a_visitor_who_was_logged_out_is_told(page) -> None:
    every_two_seconds(page)
    page.context.clear_cookies()
    expect(page.get_by_text("Logged out: reload the page")).to_be_visible(timeout=10_000)
