"""Everything works in a browser that runs no script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job
from jobs.states import JobStatus
from tests.factories import make_attempt, make_job, make_names, make_output


@pytest.fixture
def page(open_page) -> Page:
    page: Page = open_page(java_script_enabled=False)
    return page


def test_controls_that_need_the_script_are_not_shown(page) -> None:
    expect(page.locator("#refresh")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()


def test_the_list_is_filtered_and_paged(page) -> None:
    make_names((), ("default", "mail"))
    for _ in range(30):
        make_job(JobStatus.COMPLETED)
    wanted = make_job(JobStatus.FAILED, queue="mail")
    page.goto("/")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("tbody tr")).to_have_count(6)
    page.get_by_role("link", name="Newer").click()
    expect(page.locator("tbody tr")).to_have_count(25)
    page.get_by_label("Queue").select_option("mail")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(f"#job-{wanted.pk}")).to_be_visible()


def test_a_filter_is_saved_opened_and_deleted(page) -> None:
    page.goto("/?queue=mail")
    page.get_by_text("Save this filter").click()
    page.get_by_label("Name").fill("Mail")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The view “Mail” is saved.")).to_be_visible()
    page.goto("/")
    page.get_by_role("link", name="Mail").click()
    expect(page).to_have_url(re.compile(r"/\?queue=mail$"))
    page.get_by_role("button", name="Delete this view").click()
    expect(page.get_by_text("The view “Mail” is deleted.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Saved views")).to_have_count(0)


def test_a_job_is_retried_and_cancelled_in_place(page) -> None:
    job = make_job(JobStatus.FAILED)
    page.goto("/?status=failed")
    page.get_by_role("button", name="Retry SendInvoice").click()
    expect(page.get_by_text("is queued again")).to_be_visible()
    assert page.url.endswith("/?status=failed")
    page.goto(job.get_absolute_url())
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("was cancelled before it started")).to_be_visible()
    assert Job.objects.get(pk=job.pk).status == JobStatus.CANCELLED


def test_logs_are_read_from_the_list_to_the_line(page) -> None:
    attempt = make_attempt(make_job(JobStatus.COMPLETED))
    make_output(attempt, *[("out", f"line number {n}\n") for n in range(1, 1501)])
    page.goto("/view/logs")
    expect(page.get_by_text("line number 1500")).to_be_visible()
    page.get_by_role("link", name="SendInvoice").click()
    expect(page.locator("#log li")).to_have_count(1000)
    page.get_by_role("link", name="Load earlier lines").click()
    expect(page.get_by_text("line number 1", exact=True)).to_be_visible()
    page.get_by_role("link", name="To the end of the log").click()
    expect(page.locator("#L1500")).to_be_visible()


def test_a_visitor_logs_out(page) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Jobs")).to_be_visible()
