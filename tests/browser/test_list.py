"""The list in a real browser: counts that come later, selection, keys, and what they lead to."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job, Operation
from jobs.states import JobStatus
from tests.factories import make_job, make_operation, make_worker


@pytest.fixture
def page(open_page) -> Page:
    make_worker()
    for status in (JobStatus.COMPLETED, *[JobStatus.FAILED] * 4):
        make_job(status, queue="mail")
    page: Page = open_page()
    page.get_by_label("Refresh every").select_option("2")
    return page


def ticks(page: Page):
    return page.locator("tbody [name=id]")


def test_the_counts_come_after_the_table(page) -> None:
    expect(page.get_by_role("link", name="Failed 4")).to_be_visible()
    expect(page.locator(".bulk .count")).to_have_text("5")


def test_a_range_is_ticked_with_shift_and_the_refresh_waits(page) -> None:
    ticks(page).nth(0).click()
    ticks(page).nth(2).click(modifiers=["Shift"])
    expect(page.get_by_text("3 selected")).to_be_visible()
    expect(page.get_by_text("Paused: jobs are selected")).to_be_visible()
    ticks(page).nth(2).click()
    ticks(page).nth(0).click(modifiers=["Shift"])
    expect(page.get_by_text("selected", exact=False)).to_have_count(0)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_buttons_for_many_wait_for_a_selection(page) -> None:
    retry = page.get_by_role("button", name="Retry…")
    expect(retry).to_be_disabled()
    page.get_by_label("This page").check()
    expect(page.get_by_text("5 selected")).to_be_visible()
    expect(retry).to_be_enabled()


def test_ticked_jobs_are_retried_and_the_filter_stays(page) -> None:
    page.goto("/?status=failed&queue=mail")
    ticks(page).nth(0).check()
    ticks(page).nth(1).check()
    page.get_by_role("button", name="Retry…").click()
    expect(page.get_by_role("heading", name="Retry 2 jobs?")).to_be_visible()
    page.get_by_role("button", name="Retry them").click()
    expect(page.get_by_text("2 jobs are queued again.")).to_be_visible()
    assert page.url.endswith("/?queue=mail&status=failed")
    page.get_by_role("link", name="Details").click()
    expect(page.get_by_text("2 of 2 done")).to_be_visible()


def test_all_that_match_are_retried(page) -> None:
    page.get_by_role("link", name="Failed 4").click()
    page.get_by_label("All that match").check()
    page.get_by_role("button", name="Retry…").click()
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.get_by_role("button", name="Retry them").click()
    expect(page.get_by_text("4 jobs are queued again.")).to_be_visible()
    assert Job.objects.filter(status=JobStatus.QUEUED).count() == 4


def test_going_back_keeps_what_was_ticked_in_step_with_its_count(page) -> None:
    ticks(page).nth(0).check()
    page.get_by_role("button", name="Retry…").click()
    expect(page.get_by_role("heading", name="Retry 1 job?")).to_be_visible()
    page.go_back()
    ticked = page.locator("tbody [name=id]:checked").count()
    expect(page.locator("#picked")).to_have_text(f"{ticked} selected" if ticked else "")


def test_rows_are_walked_ticked_and_opened_by_keys(page) -> None:
    jobs = list(Job.objects.order_by("-pk"))
    page.keyboard.press("j")
    expect(page.locator(f"#job-{jobs[0].pk} .title")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(f"#job-{jobs[1].pk} .title")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{jobs[1].get_absolute_url()}")


def test_the_row_is_retried_by_a_key(page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.get_by_text("is queued again")).to_be_visible()


def test_keys_search_lead_to_pages_and_toggle_the_refresh(page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("jgo.x")
    expect(page.get_by_label("Search")).to_have_value("jgo.x")
    page.get_by_label("Search").fill("")
    page.keyboard.press("Tab")
    page.locator("body").click(position={"x": 2, "y": 300})
    page.keyboard.press(".")
    expect(page.get_by_label("Refresh every")).to_have_value("0")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url("**/operations/")


def test_keys_are_listed_and_can_be_switched_off(page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.get_by_label("Use keyboard shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("j")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement === document.body")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_label("Use keyboard shortcuts")).not_to_be_checked()


def test_an_operation_is_followed_and_stopped(page) -> None:
    operation = make_operation()
    page.goto(operation.get_absolute_url())
    Operation.objects.filter(pk=operation.pk).update(done=7, next_job=10**8)
    expect(page.get_by_text("7 of 12 done")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopping")).to_be_visible()


def test_without_javascript_jobs_are_searched_counted_and_retried(page, open_page) -> None:
    plain = open_page(java_script_enabled=False)
    plain.get_by_role("link", name="Count", exact=True).click()
    expect(plain.get_by_role("link", name="Failed 4")).to_be_visible()
    plain.goto("/?status=failed")
    ticks(plain).nth(0).check()
    plain.get_by_role("button", name="Retry…").click()
    plain.get_by_role("button", name="Retry them").click()
    expect(plain.get_by_text("1 job is queued again.")).to_be_visible()
    plain.get_by_label("All that match").check()
    plain.get_by_role("button", name="Retry…").click()
    plain.get_by_role("button", name="Retry them").click()
    expect(plain.get_by_text("3 jobs are queued again.")).to_be_visible()
    plain.get_by_label("Search").fill("nothing")
    plain.get_by_role("button", name="Apply").click()
    expect(plain.get_by_text("No job matches")).to_be_visible()
