"""The zone of the browser, and UTC where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import Page, expect

from tests.factories import make_job


def test_times_are_in_the_zone_of_the_browser_and_in_utc_when_asked(
    open_page: Callable[..., Page],
) -> None:
    job = make_job(created_at=datetime(2026, 1, 15, 12, tzinfo=UTC))
    page = open_page("/", timezone_id="Asia/Tokyo")
    page.goto(job.get_absolute_url())
    expect(page.locator("footer.zone")).to_contain_text("Times in Asia/Tokyo")
    expect(page.locator("main")).to_contain_text("2026-01-15 21:00:00")
    page.get_by_role("button", name="Show UTC").click()
    expect(page.locator("footer.zone")).to_contain_text("Times in UTC")
    expect(page.locator("main")).to_contain_text("2026-01-15 12:00:00")
    page.get_by_role("button", name="Show my time zone").click()
    expect(page.locator("footer.zone")).to_contain_text("Times in Asia/Tokyo")
