"""Each page in each theme and width: no error, no sideways scroll, nothing axe-core objects to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from jobs.lifecycle.pausing import pause
from jobs.models import SavedView
from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_names,
    make_operation,
    make_output,
    make_worker,
)

from .axe import violations

LONG = "x" * 120


def fill() -> list[str]:
    """Store something of everything, some of it very long; return the pages that show it."""
    make_names((f"shop.{LONG}",), (LONG[:100],))
    again = make_job(JobStatus.FAILED, job_class="tests.Returns", arguments={"value": 1})
    worker = make_worker(hostname=LONG)
    for name, query in ((LONG[:50], "?status=failed"), ("Mail", "?tag=mail")):
        owner = User.objects.get().pk
        SavedView.objects.create(owner_id=owner, name=name, query=query)
    paths = ["/", "/?status=failed", "/?class=none", "/?before=1", "/view/logs"]
    paths += [f"/?q={LONG}&error={LONG}&since=7d&tag=mail", "/?argument=key:1"]
    paths += ["/jobs/retry/?all=1"]
    operation = make_operation(selection={"queue": LONG}, error=LONG, skipped={"changed": 1})
    paths += ["/view/logs?level=warning&q=b&since=1h", f"/view/logs?q={LONG[:90]}"]
    paths += ["/operations/", operation.get_absolute_url(), "/audit/"]
    job = again
    for status in JobStatus:
        job = make_job(
            status,
            job_class=f"shop.{LONG}" if status == JobStatus.FAILED else "shop.SendInvoice",
            queue=LONG[:100],
            parent_id=job.pk,
            origin={"request": f"POST /{LONG}", "code": f"shop.{LONG}:1", "job_class": LONG},
            tags=["mail", LONG[:50], "customer:4711"],
            error_type="ValueError",
            error_message=LONG,
            progress={"done": 3, "total": 7, "message": LONG},
            arguments={"text": LONG * 3},
        )
        attempt = make_attempt(
            job,
            "failed",
            worker=worker,
            error_type="E",
            error_message=LONG,
            traceback=LONG * 3,
            samples={"memory_limit": 9, "points": [[1.0, 5, 0.5], [2.0, 8, 0.6]]},
        )
        make_output(attempt, ("out", f"\x1b[31m{LONG}\n"), ("err", "b\n"), ("warning", LONG * 9))
        make_output(attempt, ("debug", "c\n"), ("info", "d\n"), gap=9_999)
        make_audit(job)
        paths += [job.get_absolute_url(), attempt.get_absolute_url()]
    paths += [f"/attempts/compare/?a={attempt.pk}", f"/attempts/compare/?a={attempt.pk}&b=1"]
    paths += [f"{attempt.get_absolute_url()}?level=err&q=b", f"{attempt.get_absolute_url()}?line=2"]
    pause(LONG[:100], LONG)
    make_worker(hostname=LONG, beat_at=job.created_at - timedelta(seconds=40))
    make_worker("lost", hostname=LONG, stopped_at=job.created_at, rescued={"queued": 2})
    paths += [f"{again.get_absolute_url()}edit/", "/jobs/cancel/?all=1"]
    return [*paths, "/queues/", "/workers/", "/view/logs?tab=errors"]


@pytest.mark.parametrize(
    ("theme", "locale", "widths"),
    [("light", "en-GB", [360, 1280]), ("dark", "de-DE", [1280, 360])],
)
def test_every_page_fits_is_accessible_and_has_names_for_its_controls(
    theme, locale, widths, open_page
) -> None:
    page = open_page(color_scheme=theme, locale=locale)
    wrong = []
    for path in fill():
        page.goto(path)
        wrong += [f"{path}: wider than {width} px" for width in widths if not fits(page, width)]
        # At the width that was last: axe-core takes longer than all else here.
        wrong += [f"{path}: {one}" for one in [*violations(page), *nameless_controls(page)]]
        if (headings := page.locator("h1").count()) != 1:
            wrong.append(f"{path}: {headings} headings")
    assert not wrong, "\n".join(wrong)


def test_pages_that_have_nothing_to_show_are_accessible(open_page) -> None:
    page = open_page()
    for path in ("/", "/stats/", "/errors/", "/queues/", "/workers/", "/view/logs", "/audit/"):
        page.goto(path)
        assert violations(page) == [], path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_page_is_accessible(theme, browser, live_server) -> None:
    with browser.new_context(base_url=live_server.url, color_scheme=theme) as context:
        page = context.new_page()
        page.goto("/login/")
        assert violations(page) == []


def test_the_theme_is_switched_and_remembered(open_page) -> None:
    page = open_page(color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    switch.click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark


def fits(page: Page, width: int) -> bool:
    """Make the window so wide, and return whether nothing is wider."""
    page.set_viewport_size({"width": width, "height": 800})
    return int(page.evaluate("document.documentElement.scrollWidth")) <= width


def nameless_controls(page: Page) -> list[str]:
    """Return what one can use and nothing names, of what shows at this width."""
    found = page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, progress")]
          .filter((one) => one.checkVisibility() && !one.closest("[inert]"))
          .filter((one) => !(one.getAttribute("aria-label") || one.title
            || (one.innerText ?? one.textContent).trim() || one.labels?.length))
          .map((one) => one.outerHTML)"""
    )
    return [f"{one} has no name" for one in found]
