"""Each page in each theme and width: no error, no sideways scroll, enough contrast."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.lifecycle.pausing import pause
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

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!text || !element.checkVisibility() || element.closest(":disabled, [aria-disabled]")) continue;
    const below = ground(element);
    const [a, b] = [luminance(over(rgba(getComputedStyle(element).color), below)), luminance(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(poor)];
}"""

LONG = "x" * 120


def fill() -> list[str]:
    """Store something of everything, some of it very long; return the pages that show it."""
    make_names((f"shop.{LONG}",), (LONG[:100],))
    worker = make_worker(hostname=LONG)
    paths = ["/", "/?status=failed", "/?class=none", "/?before=1", "/view/logs"]
    paths += [f"/?q={LONG}&error={LONG}&since=7d", "/?argument=key:1", "/jobs/retry/?all=1"]
    operation = make_operation(selection={"queue": LONG}, error=LONG, skipped={"changed": 1})
    paths += ["/view/logs?level=warning&q=b&since=1h", f"/view/logs?q={LONG[:90]}"]
    paths += ["/operations/", operation.get_absolute_url(), "/audit/"]
    for status in JobStatus:
        job = make_job(
            status,
            job_class=f"shop.{LONG}" if status == JobStatus.FAILED else "shop.SendInvoice",
            queue=LONG[:100],
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
    return [*paths, "/queues/", "/workers/", "/view/logs?tab=errors"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_every_page_fits_and_can_be_read(theme, width, open_page) -> None:
    page = open_page(color_scheme=theme, viewport={"width": width, "height": 800})
    for path in fill():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path


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


def test_every_control_has_a_name_and_every_page_one_heading(open_page) -> None:
    page = open_page()
    for path in fill():
        page.goto(path)
        assert page.locator("h1").count() == 1, path
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("a, button, select, progress")]
              .filter((one) => one.checkVisibility() && !one.closest("[inert]"))
              .filter((one) => !(one.getAttribute("aria-label") || one.title
                || (one.innerText ?? one.textContent).trim() || one.labels?.length))
              .map((one) => one.outerHTML)"""
        )
        assert nameless == [], path
