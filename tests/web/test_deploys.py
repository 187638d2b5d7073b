"""The charts of the page of statistics mark where a new version of the project's code began."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import usual
from jobs.conf import BadSetting, conf
from jobs.lifecycle import leasing
from jobs.lifecycle.engines import engine_for
from jobs.models import CodeVersion, Worker
from jobs.web import charts, glance, trends
from jobs.worker.start import identity
from tests.factories import make_job, make_names, make_worker
from tests.plans import plan, prefer_indexes

from .test_statistics_page import HOUR, MINUTE, ended, page

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    trends._past.cache_clear()


def begun(version: str, ago: timedelta) -> CodeVersion:
    at = timezone.now() - ago
    return CodeVersion.objects.create(name=version, first_started_at=at)


def figure(text: str, key: str = "throughput") -> str:
    return text.split(f'id="chart-{key}"')[1].split("</figure>")[0]


def chart_of(*deploys: charts.Deploy) -> charts.Chart:
    starts = [NOON + n * MINUTE for n in range(60)]
    series = [charts.Series("failed", "Failed", [1.0] * 60)]
    return charts.Chart("x", "X", "…", series, starts, MINUTE, words=str, deploys=deploys)


# -- what is recorded ------------------------------------------------------------------------------


def test_the_first_start_of_a_version_is_kept(settings: Any) -> None:
    engine = engine_for()
    for version in ("1.0", "1.0", "1.1", "1.0"):
        settings.BACKGROUND_JOB_VERSION = version
        leasing.register(engine, identity((), 1), 60)
    assert Worker.objects.count() == 4
    first = {one.name: one.first_started_at for one in CodeVersion.objects.all()}
    assert first.keys() == {"1.0", "1.1"}
    started = Worker.objects.order_by("started_at").values_list("started_at", flat=True)
    assert (first["1.0"], first["1.1"]) == (started[0], started[2])


def test_a_version_outlives_the_rows_of_its_workers(settings: Any) -> None:
    settings.BACKGROUND_JOB_VERSION = "1.0"
    leasing.register(engine_for(), identity((), 1), 60)
    Worker.objects.all().delete()
    leasing.register(engine_for(), identity((), 1), 60)
    row = CodeVersion.objects.get()
    assert row.first_started_at < Worker.objects.get().started_at


def test_without_a_version_nothing_is_kept(settings: Any) -> None:
    settings.BACKGROUND_JOB_VERSION = None
    leasing.register(engine_for(), identity((), 1), 60)
    assert not CodeVersion.objects.exists()


def test_versions_differ_wherever_a_character_does() -> None:
    for version in ("v1", "V1", "v\u00ed", "vi"):
        one = replace(identity((), 1), code_version=version)
        leasing.register(engine_for(), one, 60)
    assert CodeVersion.objects.count() == 4


def test_a_version_that_is_too_long_is_refused(settings: Any) -> None:
    settings.BACKGROUND_JOB_VERSION = "x" * 101
    with pytest.raises(BadSetting, match="BACKGROUND_JOB_VERSION"):
        _ = conf.VERSION


# -- where it is drawn -----------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "x"), [(0, 0), (30 * 60, 300), (90, 15), (3599, 599.83)])
def test_a_marker_stands_at_its_time(seconds: int, x: float) -> None:
    deploy = charts.Deploy("1.0", NOON + timedelta(seconds=seconds))
    (marker,) = chart_of(deploy).markers
    assert marker.x == x
    assert marker.line == f"M{x:g} 0V120"


@pytest.mark.parametrize("seconds", [-1, 3600])
def test_what_began_outside_of_a_chart_is_not_marked(seconds: int) -> None:
    assert not chart_of(charts.Deploy("1.0", NOON + timedelta(seconds=seconds))).markers


def test_the_table_tells_the_version_at_the_step_in_which_it_began() -> None:
    deploys = [
        charts.Deploy(name, NOON + n * MINUTE) for name, n in (("c", 2.5), ("b", 2), ("a", 0))
    ]
    rows = chart_of(*deploys).rows[::-1]
    assert [versions for _, _, versions in rows[:4]] == [["a"], [], ["c", "b"], []]


def test_every_chart_marks_a_new_version_and_writes_it_down(operator: Client) -> None:
    ended(completed=1, waited_3=1, ran_10=1, ran_max=0.5, waited_max=0.004, peak_rss=5000)
    row = begun("<1.0> & so", 20 * MINUTE)
    begun("0.9", 2 * HOUR)
    text = page(operator, "?range=1h")
    assert "0.9" not in text
    when = f"{row.first_started_at:%H:%M}"
    for key in ("throughput", "wait", "run", "failures", "memory"):
        told = figure(text, key)
        (x,) = re.findall(r'<g class="deploy">.*?<path d="M([\d.]+) 0V120"/>', told)
        assert 380 <= float(x) <= 410
        assert f"{when}: version &lt;1.0&gt; &amp; so began</title>" in told
        assert re.search(
            rf"<desc .*New versions: &lt;1.0&gt; &amp; so \(\w+ \d+ {when}\)\.</desc>", told
        )
        rows = re.findall(
            r'<tr><th scope="row">([\d:]+)</th>.*?<td class="version">(.*?)</td>', told
        )
        assert [one for one in rows if one[1]] == [(when, "&lt;1.0&gt; &amp; so")]
        assert "New version</li>" in told
    assert "style=" not in text.split("<main")[1]


def test_without_a_new_version_there_is_no_marker_and_no_word_of_it(operator: Client) -> None:
    ended(completed=1, ran_10=1, ran_max=0.5)
    make_worker()
    text = page(operator)
    assert 'class="deploy"' not in text
    assert "ew version" not in text


def test_of_many_versions_the_latest_are_marked_and_the_page_says_so(operator: Client) -> None:
    ended(completed=1)
    for n in range(charts.MARKED + 1):
        begun(f"1.{n}", (n + 1) * MINUTE)
    text = page(operator, "?range=1h")
    assert figure(text).count('<g class="deploy">') == charts.MARKED
    assert f"version 1.{charts.MARKED} began" not in text
    assert f"Only the latest {charts.MARKED} are marked." in text
    CodeVersion.objects.get(name="1.0").delete()
    assert "Only the latest" not in page(operator, "?range=1h")


# -- what it costs ---------------------------------------------------------------------------------


def test_the_page_takes_no_query_more_for_it(operator: Client) -> None:
    make_names(("shop.Ship",), ("default",))
    ended(completed=3, ran_10=3)
    make_job("running", job_class="shop.Ship")
    counts = []
    for version in ("", "1.0"):
        if version:
            begun(version, HOUR)
        usual.forget()
        trends._past.cache_clear()
        with CaptureQueriesContext(connection) as queries:
            page(operator)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_new_versions_are_read_from_an_index() -> None:
    if connection.vendor == "mysql":
        pytest.skip("it reads small tables as a whole, whatever its indexes")
    since = connection.ops.adapt_datetimefield_value(timezone.now())
    prefer_indexes()
    found = plan(glance.VERSIONS, [since])
    assert "jobs_version_started" in found
    assert "TEMP B-TREE" not in found
