"""Statistics and errors in a real browser: drawn, readable, and of use without JavaScript."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.lifecycle import rollups
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.errors import ErrorTally
from jobs.models import CodeVersion, Resolution, Rollup
from jobs.web import trends
from tests.factories import make_job, make_names, make_worker

from .axe import violations
from .test_pages import LONG, fits

PAGES = (
    "/stats/",
    "/stats/?range=30d&sort=p95",
    "/stats/?class=none",
    "/errors/",
    "/errors/?class=no",
)


@pytest.fixture(autouse=True)
def history(live_database: None) -> None:
    """A day of two classes, one with a long name, errors of both, and something wrong."""
    trends._past.cache_clear()
    now = timezone.now()
    long = f"shop.{LONG}"
    make_names((long, "shop.Ship"), ("default", LONG[:100]))
    tally = ErrorTally()
    for name in (long, "shop.Ship"):
        for hours in range(24):
            Rollup.objects.create(
                resolution=Resolution.MINUTE,
                period=rollups.period_of(now - timedelta(hours=hours), Resolution.MINUTE),
                job_class=name,
                queue="default",
                completed=40 + hours,
                failed=2,
                retried=3,
                cancelled=1,
                waited_3=20,
                waited_12=5,
                waited_max=3.1,
                ran_10=30,
                ran_17=9,
                ran_max=99.5,
                ran_seconds=900,
                peak_rss=90_000_000 + hours,
            )
            tally.add(name, "ValueError", f"{LONG} {hours}", 1, now - timedelta(hours=hours))
    tally.store(engine_for())
    for version, ago in (("2026.11.3", 15.5), (LONG[:100], 4.2)):
        CodeVersion.objects.create(name=version, first_started_at=now - timedelta(hours=ago))
    for ran in (5, 400, 4000):
        started = now - timedelta(seconds=ran)
        make_job("running", job_class="shop.Ship", started_at=started)
    make_worker(hostname=LONG, beat_at=now - timedelta(seconds=40))
    make_job(queue=LONG[:100], run_at=now - timedelta(minutes=20))


@pytest.mark.parametrize(
    ("theme", "locale", "widths"),
    [("light", "en-GB", [1280, 360]), ("dark", "de-DE", [360, 1280])],
)
def test_the_pages_fit_and_are_accessible(theme, locale, widths, open_page) -> None:
    page = open_page(color_scheme=theme, locale=locale)
    for path in PAGES:
        page.goto(path)
        assert all(fits(page, width) for width in widths), path
        for summary in page.locator(".chart summary").all():
            summary.click()
        assert all(fits(page, width) for width in widths), path
        wrong = violations(page)
        assert not wrong, f"{path}:\n" + "\n".join(wrong)


def test_bars_are_as_wide_as_their_place_and_coloured_by_outcome(open_page) -> None:
    page = open_page("/stats/")
    plot = page.locator("#chart-throughput svg")
    colours = {
        key: plot.locator(f"rect.k-{key}").first.evaluate("one => getComputedStyle(one).fill")
        for key in ("completed", "failed", "retrying", "cancelled")
    }
    assert len(set(colours.values())) == 4
    boxes = [one.bounding_box() for one in plot.locator("rect.k-completed").all()]
    whole = plot.bounding_box()
    assert len(boxes) == 24
    assert all(whole["y"] <= box["y"] < box["y"] + box["height"] for box in boxes)
    assert max(box["x"] + box["width"] for box in boxes) <= whole["x"] + whole["width"] + 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_new_version_is_a_line_that_tells_its_name_where_the_pointer_is(theme, open_page) -> None:
    page = open_page("/stats/", color_scheme=theme)
    plot = page.locator("#chart-throughput svg")
    marker = plot.locator("g.deploy").last
    line, whole = marker.locator("path").bounding_box(), plot.bounding_box()
    assert line["height"] == pytest.approx(whole["height"], abs=3)
    # The day ends with the half hour under way.
    share = (line["x"] - whole["x"]) / whole["width"]
    assert share == pytest.approx(1 - 15.5 / 24, abs=0.025)
    colours = marker.locator("path").evaluate(
        "one => [getComputedStyle(one).stroke, getComputedStyle(document.body).color]"
    )
    assert colours[0] == colours[1]
    place = f"[{line['x'] + line['width'] / 2}, {line['y'] + 20}]"
    told = page.evaluate(
        f"document.elementFromPoint(...{place}).closest('g')?.querySelector('title').textContent"
    )
    assert "version 2026.11.3 began" in told


def test_a_table_that_is_open_stays_open_while_the_page_refreshes(open_page) -> None:
    page = open_page("/stats/")
    page.locator("#interval").select_option("2")
    page.locator("#chart-wait summary").click()
    with page.expect_response(lambda answer: "/stats/" in answer.url):
        pass
    assert page.locator("#chart-wait table").is_visible()


def test_without_javascript_classes_are_sorted_and_errors_lead_to_their_jobs(open_page) -> None:
    # The login needs none either; tables open by themselves.
    page = open_page("/stats/", java_script_enabled=False)
    page.get_by_role("link", name="Runs").click()
    page.wait_for_url("**sort=runs**")
    page.locator("#chart-wait summary").click()
    assert page.locator("#chart-wait table").is_visible()
    page.goto("/errors/")
    page.get_by_role("link", name="Failed jobs ValueError shop.Ship").click()
    page.wait_for_url("**status=failed&group=**")
