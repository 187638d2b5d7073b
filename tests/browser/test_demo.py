"""What a stranger does first: log in, watch, cancel, retry, read a log."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from jobs.models import Job
from jobsystem.jobs import ChattyJob, ImportContacts, LongJob, Segfaults
from tests.waiting import wait_until

CONTACTS = "name,email\nAna,ana@example.org\nBo,not an address\n"


def row(page: Page, job: Job) -> Locator:
    return page.locator(f"#job-{job.pk}")


def test_jobs_are_seen_to_finish_without_a_reload(open_page, worker) -> None:
    page = open_page()
    page.get_by_label("Refresh every").select_option("2")
    page.evaluate("document.body.dataset.loaded = 'once'")
    job = ImportContacts(csv_text=CONTACTS).dispatch()
    expect(row(page, job).get_by_text("Completed")).to_be_visible()
    assert page.evaluate("document.body.dataset.loaded") == "once"
    row(page, job).get_by_role("link", name="ImportContacts").click()
    expect(page.get_by_text('"stored": 1')).to_be_visible()


def test_a_running_job_is_cancelled_and_seen_to_end(open_page, worker) -> None:
    job = LongJob(seconds=600).dispatch()
    page = open_page()
    page.get_by_label("Refresh every").select_option("2")
    expect(row(page, job).get_by_text("Running")).to_be_visible()
    row(page, job).get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("was asked to stop")).to_be_visible()
    expect(row(page, job).get_by_text("Cancelled")).to_be_visible()
    row(page, job).get_by_role("link", name="LongJob").click()
    expect(page.get_by_text("Cancel asked for by ana")).to_be_visible()
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_text("putting things back as they were")).to_be_visible()


def test_a_failed_job_is_retried(open_page, worker) -> None:
    job = Segfaults().dispatch()
    page = open_page()
    page.get_by_label("Refresh every").select_option("2")
    expect(row(page, job).get_by_text("Failed")).to_be_visible()
    page.get_by_role("navigation", name="Status").get_by_text("Failed").click()
    row(page, job).get_by_role("button", name="Retry").click()
    expect(page.get_by_text("is queued again")).to_be_visible()
    assert page.url.endswith("?status=failed")
    wait_until(lambda: Job.objects.get(pk=job.pk).attempts.filter(number=2, status="failed"))
    page.goto(job.get_absolute_url())
    expect(page.get_by_text("killed by SIGSEGV (signal 11)").first).to_be_visible()
    expect(page.get_by_role("link", name="Attempt 2")).to_be_visible()
    expect(page.get_by_text("Retried by ana")).to_be_visible()


def test_a_log_is_followed_while_it_is_written(open_page, worker) -> None:
    job = ChattyJob(lines=80).dispatch()
    wait_until(lambda: job.attempts.exists())
    page = open_page(f"{job.get_absolute_url()}attempts/1/")
    log = page.locator("#log")
    expect(log.get_by_text("line 80 of 80 on standard output")).to_be_visible()
    expect(page.get_by_text("End of the log")).to_be_visible()
    expect(log.get_by_text("and this is a child program")).to_be_visible()
    followed = [text.split("\n")[-1] for text in log.locator("li").all_inner_texts()]
    numbers = log.locator("li > a").all_inner_texts()
    page.reload()
    reloaded = [text.split("\n")[-1] for text in log.locator("li").all_inner_texts()]
    assert followed == reloaded
    assert numbers == [str(number) for number in range(1, len(reloaded) + 1)]
    assert sum(bool(re.search("standard error", text)) for text in reloaded) == 80
