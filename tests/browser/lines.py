"""Waiting for a line of a long log."""

from __future__ import annotations

from playwright.sync_api import Page


def wait_for_line(page: Page, number: int) -> None:
    """Wait until the log on `page` has the line `number`, for 45 s at most.

    `expect` describes the whole page each time it has looked in vain, which keeps a browser with
    thousands of lines too busy to load any.
    """
    page.locator(f"#L{number}").wait_for(state="attached", timeout=45_000)
