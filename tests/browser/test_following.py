"""The log of an attempt in a real browser while it is written: each line once, none left out."""

from __future__ import annotations

from threading import Event

import pytest
from playwright.sync_api import Page, Route, expect

from jobs.lifecycle import output
from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt
from jobs.states import JobStatus
from jobs.worker.buffers import OutputBuffer
from tests.browser.lines import wait_for_line
from tests.factories import make_attempt, make_job, make_output, make_worker
from tests.waiting import wait_until


@pytest.fixture
def attempt(live_database: None) -> Attempt:
    return make_attempt(make_job(JobStatus.RUNNING), "running", worker=make_worker())


def write(attempt: Attempt, first: int, last: int) -> None:
    """Store the lines from `first` to `last`, and no others after what is stored."""
    attempt.refresh_from_db()
    buffer = OutputBuffer(attempt.pk, 1 << 30, start=attempt.output_bytes, line=first - 1)
    for n in range(first, last + 1):
        buffer.add("out", f"line {n}\n".encode())
        if n % 250 == 0 or n == last:
            output.store(engine_for("default"), buffer.take(0.0))
    Attempt.objects.filter(pk=attempt.pk).update(output_bytes=buffer.total)


def texts(page: Page) -> list[str]:
    return page.locator("#log > li > code").all_inner_texts()


def numbers(page: Page) -> list[int]:
    found: list[int] = page.locator("#log").evaluate(
        "log => [...log.children].map((row) => Number(row.id.slice(1)))"
    )
    return found


def come_back(page: Page) -> None:
    """Say that the page is looked at again, as a browser does when its tab is chosen."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_page_looked_at_again_while_an_answer_is_on_its_way_shows_each_line_once(
    attempt, open_page
) -> None:
    make_output(attempt, ("out", "one\nhalf"))
    page = open_page(attempt.get_absolute_url())
    held: list[Route] = []
    released = Event()
    page.route(
        "**/*after=*", lambda one: one.continue_() if released.is_set() else held.append(one)
    )
    wait_until(lambda: bool(page.wait_for_timeout(50) or held), message="a refresh")
    come_back(page)
    come_back(page)
    make_output(attempt, ("out", " more\nthree\n"))
    released.set()
    for route in held:
        route.continue_()
    expect(page.locator("#log")).to_contain_text("three")
    make_output(attempt, ("out", "four\n"))
    expect(page.locator("#log")).to_contain_text("four")
    assert texts(page) == ["one", "half more", "three", "four"]


def test_lines_before_the_place_that_was_asked_for_are_not_taken(attempt, open_page) -> None:
    make_output(attempt, ("out", "one\ntwo\n"))
    page = open_page(attempt.get_absolute_url())
    expect(page.locator("#L2")).to_be_visible()
    beginning = f"{page.url}?after=0&row=0&open="
    page.route("**/*row=2&*", lambda route: route.continue_(url=beginning))
    make_output(attempt, ("out", "three\n"))
    expect(page.locator("#log")).to_contain_text("three")
    assert texts(page) == ["one", "two", "three"]


def test_a_double_click_loads_earlier_lines_once(attempt, open_page) -> None:
    write(attempt, 1, 4_000)
    page = open_page(attempt.get_absolute_url())
    earlier = page.get_by_role("link", name="Load earlier lines")
    earlier.dblclick()
    wait_for_line(page, 2_001)
    expect(earlier).not_to_have_attribute("aria-busy", "true")
    earlier.click()
    wait_for_line(page, 1_001)
    assert numbers(page) == list(range(1_001, 4_001))


@pytest.mark.parametrize("length", [5_000, 5_500])
def test_lines_that_went_from_the_top_are_among_the_earlier_ones(
    length, attempt, open_page
) -> None:
    write(attempt, 1, length)
    page = open_page(attempt.get_absolute_url())
    earlier = page.get_by_role("link", name="Load earlier lines")
    for first in range(length - 1_999, length - 4_999 - 1, -1_000):
        earlier.click()
        wait_for_line(page, first)
    write(attempt, length + 1, length + 200)
    wait_for_line(page, length + 200)
    assert numbers(page) == list(range(length - 4_799, length + 201))
    earlier.click()
    wait_for_line(page, 1)
    assert numbers(page) == list(range(1, 5_001))
