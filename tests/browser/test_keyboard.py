"""Used by keys alone: nothing happens before it is asked for, and what has the focus is in view."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from jobs.states import JobStatus
from tests.factories import make_job, make_names, make_worker

IN_VIEW = """() => {
  const focused = document.activeElement;
  const box = focused.getBoundingClientRect();
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return focused.contains(there) ? "" : `${focused.outerHTML} is behind ${there?.outerHTML}`;
}"""


def press(page: Page, key: str, times: int) -> list[str]:
    """Press a key so many times; return what had the focus, but was hidden."""
    hidden = []
    for _ in range(times):
        page.keyboard.press(key)
        hidden.append(page.evaluate(IN_VIEW))
    return [one for one in hidden if one]


@pytest.mark.parametrize("path", ["/", "/stats/"])
def test_choosing_in_a_filter_changes_nothing_until_it_is_applied(path, open_page) -> None:
    make_names(("shop.Pack", "shop.Ship"), ("default",))
    make_worker()
    page = open_page(path)
    page.get_by_label("Refresh every").select_option("2")
    page.evaluate("document.body.dataset.loaded = 'once'")
    chosen = page.locator("select[name='class']")
    chosen.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(chosen).to_have_value("shop.Ship")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Apply")).to_be_focused()
    with page.expect_request(lambda request: "x-jobs-live" in request.headers):
        pass
    assert page.evaluate("document.body.dataset.loaded") == "once"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("class=shop.Ship"))
    expect(page.locator("select[name='class']")).to_have_value("shop.Ship")


@pytest.mark.parametrize("width", [1280, 800, 360])
def test_what_has_the_focus_is_never_hidden_by_the_header_or_what_is_announced(
    width, open_page
) -> None:
    for _ in range(14):
        make_job(JobStatus.FAILED, tags=["mail"])
    page = open_page(viewport={"width": width, "height": 500})
    page.get_by_label("Refresh every").select_option("2")
    make_job(JobStatus.FAILED)
    expect(page.get_by_role("link", name="1 new: show")).to_be_visible()
    page.get_by_label("Refresh every").select_option("0")
    assert press(page, "j", 14) == []
    assert press(page, "k", 14) == []
    assert press(page, "j", 14) == []
    assert press(page, "Shift+Tab", 40) == []
