"""The refresh helps and never gets in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, Request, Response, expect

from jobs.lifecycle.pausing import pause
from jobs.models import Job
from jobs.states import JobStatus
from tests.factories import make_job, make_names, make_worker
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
    page.locator("select[name='class']").focus()
    expect(page.get_by_text("Paused: a field is in use")).to_be_visible()
    assert requests == []


def test_a_form_that_is_open_keeps_what_was_typed_and_where_the_focus_is(page) -> None:
    make_names(queues=("mail", "news"))
    page.goto("/queues/")
    every_two_seconds(page)
    page.get_by_text("Pause mail").click()
    page.get_by_label("Reason").locator("visible=true").fill("the provider is down")
    button = page.get_by_role("button", name="Pause the queue").locator("visible=true")
    button.focus()
    pause("news", "a campaign")
    expect(page.get_by_text("Paused: a field is in use")).to_be_visible()
    with page.expect_response(lambda answer: answer.url.endswith("/queues/")):
        pass
    expect(page.get_by_label("Reason").locator("visible=true")).to_have_value(
        "the provider is down"
    )
    expect(button).to_be_focused()
    page.get_by_text("Pause mail").click()
    expect(page.get_by_text("a campaign")).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def tops(page: Page) -> dict[str, float]:
    """Return where each row begins, from the top of the window."""
    found: dict[str, float] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("[data-rows] tr")]
          .map((row) => [row.id, row.getBoundingClientRect().y]))"""
    )
    return found


def announced(page: Page, count: int) -> Locator:
    """Wait until so many new jobs are announced."""
    link = page.get_by_role("link", name=f"{count} new: show")
    expect(link).to_be_visible()
    return link


def test_the_first_job_of_an_empty_list_appears_by_itself(page) -> None:
    page.goto("/?status=queued")
    every_two_seconds(page)
    job = make_job()
    expect(page.locator(f"#job-{job.pk}")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 800, 360])
@pytest.mark.parametrize("scrolled", [0, 300])
def test_new_jobs_are_announced_and_no_row_moves_until_they_are_asked_for(
    scrolled, width, open_page
) -> None:
    make_worker()
    for _ in range(20):
        make_job(JobStatus.COMPLETED)
    page = open_page(viewport={"width": width, "height": 700}, has_touch=True)
    every_two_seconds(page)
    expect(page.locator(".bulk .count")).to_have_text("20")
    page.evaluate("top => scrollTo(0, top)", scrolled)
    before = tops(page)
    new = [make_job(), make_job()]
    link = announced(page, 2)
    assert tops(page) == before
    link.click()
    for job in new:
        expect(page.locator(f"#job-{job.pk}")).to_be_visible()
    expect(link).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 800, 360])
def test_what_is_announced_can_be_seen_wherever_the_list_is_scrolled_to(width, open_page) -> None:
    for _ in range(25):
        make_job(JobStatus.COMPLETED)
    page = open_page(viewport={"width": width, "height": 500})
    every_two_seconds(page)
    page.evaluate("scrollTo(0, 900)")
    make_job()
    link = announced(page, 1)
    expect(link).to_be_in_viewport(ratio=1)
    header = page.locator(".top").bounding_box()
    assert link.evaluate("link => link.getBoundingClientRect().y") >= header["height"]


@pytest.mark.parametrize("width", [1280, 800, 360])
def test_jobs_change_in_place_and_no_row_moves(width, open_page) -> None:
    make_worker()
    failed, done, waiting, running = (
        make_job(status).pk
        for status in (
            JobStatus.FAILED,
            JobStatus.COMPLETED,
            JobStatus.QUEUED,
            JobStatus.RUNNING,
        )
    )
    Job.objects.filter(pk=failed).update(error_type="ValueError", error_message="long " * 40)
    page = open_page(viewport={"width": width, "height": 900})
    every_two_seconds(page)
    expect(page.locator(".bulk .count")).to_have_text("4")
    page.locator(f"#job-{waiting}").hover()
    before = tops(page)
    now = timezone.now()
    progress = {"done": 1, "total": 2, "message": "halfway " * 30}
    Job.objects.filter(pk=running).update(progress=progress)
    Job.objects.filter(pk=waiting).update(
        status=JobStatus.FAILED,
        started_at=now - timedelta(seconds=75),
        finished_at=now,
        error_type="ValueError",
        error_message="long " * 40,
    )
    Job.objects.filter(pk=done).update(
        status=JobStatus.RETRYING, finished_at=None, run_at=now + timedelta(hours=1)
    )
    Job.objects.filter(pk=failed).update(status=JobStatus.QUEUED, finished_at=None, error_type="")
    expect(page.locator(f"#job-{running}")).to_contain_text("1 / 2")
    expect(page.locator(f"#job-{waiting} .status")).to_have_text("Failed")
    expect(page.locator(f"#job-{done} .status")).to_have_text("Retrying")
    expect(page.locator(f"#job-{failed} .status")).to_have_text("Queued")
    assert tops(page) == before


def test_rows_that_no_longer_match_are_dimmed_and_stay(page) -> None:
    job = make_job()
    page.goto("/?status=queued")
    every_two_seconds(page)
    Job.objects.filter(pk=job.pk).update(status=JobStatus.CANCELLED, finished_at=timezone.now())
    expect(page.locator(f"#job-{job.pk}.gone")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 800, 360])
def test_no_row_moves_when_the_last_worker_leaves_and_when_one_comes(width, open_page) -> None:
    worker = make_worker()
    make_job()
    page = open_page(viewport={"width": width, "height": 900})
    every_two_seconds(page)
    expect(page.locator(".bulk .count")).to_have_text("1")
    before = tops(page)
    worker.delete()
    expect(page.get_by_text("No worker is running")).to_be_visible()
    assert tops(page) == before
    make_worker()
    expect(page.locator("#workers")).to_be_visible()
    assert tops(page) == before


def test_a_row_under_the_pointer_stays_there(page) -> None:
    known = make_job(JobStatus.RUNNING)
    page.goto("/")
    every_two_seconds(page)
    row = page.locator(f"#job-{known.pk}")
    row.hover()
    place = row.bounding_box()
    new = make_job()
    Job.objects.filter(pk=known.pk).update(progress={"done": 1, "total": 2, "message": "halfway"})
    expect(row.get_by_text("halfway")).to_be_visible()
    link = announced(page, 1)
    expect(page.locator(f"#job-{new.pk}")).to_have_count(0)
    assert row.bounding_box()["y"] == place["y"]
    link.click()
    expect(page.locator(f"#job-{new.pk}")).to_be_visible()


def test_an_idle_page_is_answered_with_nothing(page) -> None:
    statuses: list[int] = []

    def note(response: Response) -> None:
        if "x-jobs-live" in response.request.headers and "/counts/" not in response.url:
            statuses.append(response.status)

    page.on("response", note)
    counts: list[Request] = []
    page.on("request", lambda request: counts.append(request) if "/counts/" in request.url else 0)
    page.get_by_label("Refresh every").select_option("2")
    # An age that has just become another word is news; what stays the same is not.
    wait_until(lambda: refreshes(page, [0] * (statuses.count(304) > 1)))
    assert len(counts) <= statuses.count(200), "counts are asked for as the list changes"


def test_an_open_list_of_workers_stays_open(page) -> None:
    every_two_seconds(page)
    before = tops(page)
    page.locator("#workers > summary").click()
    make_worker(hostname="beta")
    expect(page.get_by_role("cell", name="beta")).to_be_visible()
    expect(page.get_by_role("cell", name="alpha")).to_be_visible()
    assert tops(page) == before


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
    expect(page.get_by_text("Logged out: reload the page")).to_be_visible()
