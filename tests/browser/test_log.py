"""The log of an attempt in a real browser: live, in windows, without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from jobs.lifecycle import output
from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt
from jobs.states import JobStatus
from jobs.worker.buffers import OutputBuffer
from tests.browser.lines import wait_for_line
from tests.factories import make_attempt, make_job, make_worker
from tests.waiting import DEADLINE, wait_until
from tests.worker import watched_jobs as watched


@pytest.fixture
def attempt(live_database: None) -> Attempt:
    """A failed attempt with 4,000 lines of output."""
    job = make_job(JobStatus.FAILED, job_class="shop.SendInvoice")
    points = [[float(n), (40 + 20 * (n % 7) + n) << 20, n * 0.6] for n in range(1, 61)]
    attempt = make_attempt(
        job,
        "failed",
        worker=make_worker(),
        reason="exception",
        error_type="ValueError",
        error_message="no such invoice",
        traceback="Traceback (most recent call last):\n  …",
        samples={"memory_limit": 256 << 20, "points": points},
        peak_rss=210 << 20,
        cpu_seconds=36.0,
    )
    buffer = OutputBuffer(attempt.pk, 1 << 30)
    for n in range(1, 4_001):
        source = "error" if n % 500 == 0 else "err" if n % 90 == 0 else "out"
        buffer.add(source, f"line {n} of \x1b[3{n % 8}mmany\x1b[0m things to say\n".encode())
        if n % 250 == 0:
            output.store(engine_for("default"), buffer.take(0.0))
    Attempt.objects.filter(pk=attempt.pk).update(output_bytes=buffer.total)
    return attempt


def test_the_end_is_shown_first_and_earlier_lines_join_it_in_place(attempt, open_page) -> None:
    page = open_page(attempt.get_absolute_url())
    expect(page.locator("#L4000")).to_be_visible()
    assert page.locator("#log > li").count() == 1000
    page.get_by_role("link", name="Load earlier lines").click()
    wait_for_line(page, 2_001)
    assert page.locator("#log > li").count() == 2000
    below = "log.scrollHeight - log.scrollTop - log.clientHeight"
    assert page.locator("#log").evaluate(f"log => {below}") < 2, (
        "the lines in view stay where they are"
    )
    assert page.url.endswith(attempt.get_absolute_url())


def test_a_link_to_a_line_that_is_not_loaded_finds_it(attempt, open_page) -> None:
    page = open_page(attempt.get_absolute_url())
    page.goto(attempt.get_absolute_url() + "#L1234")
    expect(page.locator("#L1234")).to_be_in_viewport()
    expect(page.locator("#L1234")).to_contain_text("line 1234 of many things")
    assert "line=1234" in page.url


def test_a_number_is_a_link_that_marks_its_line_without_a_new_page(attempt, open_page) -> None:
    page = open_page(attempt.get_absolute_url())
    page.locator("#L3999 > a").click()
    expect(page).to_have_url(re.compile("#L3999$"))
    assert "line=" not in page.url


def test_lines_can_be_kept_from_wrapping_and_that_is_remembered(attempt, open_page) -> None:
    page = open_page(attempt.get_absolute_url())
    page.get_by_role("button", name="Wrap").click()
    expect(page.locator("#log")).to_have_class(re.compile("nowrap"))
    page.reload()
    expect(page.locator("#log")).to_have_class(re.compile("nowrap"))
    expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "false")


def test_it_all_works_without_javascript(attempt, open_page) -> None:
    page = open_page(attempt.get_absolute_url(), java_script_enabled=False)
    page.get_by_label("Level").select_option("error")
    page.get_by_role("button", name="Filter").click()
    assert page.locator("#log > li").count() == 8
    page.locator("#log > li > a").first.click()
    expect(page.locator("#L500")).to_be_in_viewport()
    assert page.locator("#log > li").count() > 500
    page.get_by_role("link", name="Load earlier lines").click()
    wait_for_line(page, 1)
    page.get_by_role("link", name="To the end of the log").click()
    wait_for_line(page, 4_000)


def test_the_log_has_at_most_five_thousand_rows_in_the_page(attempt, open_page) -> None:
    attempt.refresh_from_db()
    buffer = OutputBuffer(attempt.pk, 1 << 30, start=attempt.output_bytes, line=4_000)
    for n in range(4_001, 8_001):
        buffer.add("out", f"line {n}\n".encode())
        if n % 250 == 0:
            output.store(engine_for("default"), buffer.take(0.0))
    page = open_page(attempt.get_absolute_url())
    for first in range(6_001, 1_000, -1_000):
        page.locator("[data-earlier]").click()
        wait_for_line(page, first)
    assert page.locator("#log > li").count() == 5_000


def test_the_stacks_of_a_running_job_appear_in_its_live_log(worker, open_page) -> None:
    job = watched.Waits(seconds=60.0).dispatch()
    page = open_page()
    wait_until(
        lambda: job.attempts.filter(started_at__isnull=False).exists(), DEADLINE, "its start"
    )
    page.goto(f"/jobs/{job.pk}/attempts/1/")
    page.get_by_role("button", name="Dump stacks").click()
    expect(page.locator("#log")).to_contain_text("wait_in_main")
    expect(page.locator("#log")).to_contain_text("The stacks of all threads, asked for by ana")
    job.cancel()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_of_logs_scrolls_sideways(attempt, open_page, scheme, width) -> None:
    success = make_attempt(make_job(JobStatus.COMPLETED, job_class="shop.SendInvoice"))
    assert success.pk
    page = open_page(
        attempt.get_absolute_url(),
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    paths = {
        "attempt": attempt.get_absolute_url(),
        "filtered": attempt.get_absolute_url() + "?level=error&q=line",
        "logs": "/view/logs",
        "found": "/view/logs?level=error",
        "compare": f"/attempts/compare/?a={attempt.pk}",
    }
    for name, path in paths.items():
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, (name, wide)
