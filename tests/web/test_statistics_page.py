"""The page of statistics: what it shows, which rows it reads, and what it says when all is well."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import statistics, usual
from jobs.lifecycle import rollups
from jobs.models import ErrorRollup, Resolution, Rollup
from jobs.states import JobStatus
from jobs.templatetags.jobs_web import span_label
from jobs.web import charts, trends
from jobs.web.filters import SPANS
from jobs.web.presentation import grouped
from jobs.web.ranges import RANGES
from tests.factories import make_job, make_names

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    trends._past.cache_clear()


def ended(ago: timedelta = 5 * MINUTE, **values: Any) -> Rollup:
    """Store the sums of attempts that ended so long ago."""
    at = rollups.period_of(timezone.now() - ago, Resolution.MINUTE)
    defaults: dict[str, Any] = {"job_class": "shop.Ship", "queue": "default"}
    return Rollup.objects.create(resolution=Resolution.MINUTE, period=at, **(defaults | values))


def page(client: Client, query: str = "") -> str:
    answer = client.get(f"/stats/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


# -- what it shows ---------------------------------------------------------------------------------


def test_without_any_history_every_chart_says_so(operator: Client) -> None:
    text = page(operator)
    assert text.count("Nothing to draw") == 5
    assert "<rect" not in text.split('class="charts"')[1]
    assert "No attempt ended in this time." in text
    assert "no job is due" in text


def test_what_ended_is_drawn_and_written_down(operator: Client) -> None:
    ended(completed=40, failed=3, retried=7, cancelled=2, ran_10=50, ran_max=0.8, peak_rss=5000)
    text = page(operator, "?range=1h")
    throughput = text.split('id="chart-throughput"')[1].split("</figure>")[0]
    assert "45 jobs finished" in throughput
    for key in ("completed", "failed", "retrying", "cancelled"):
        assert len(re.findall(rf'<rect class="k-{key}"', throughput)) == 1
    row = re.search(r"<tr><th scope=\"row\">[\d:]+</th>" + "".join(
        rf'<td class="number">{n}</td>' for n in (40, 7, 3, 2)
    ), throughput)  # fmt: skip
    assert row
    assert "20 %" in text.split('id="chart-failures"')[1]


def test_every_chart_is_an_image_with_a_name_and_a_table(operator: Client) -> None:
    ended(completed=1, waited_3=1, ran_10=1, ran_max=0.5, waited_max=0.004, peak_rss=5000)
    text = page(operator)
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == 5
    for figure in figures:
        (named,) = re.findall(r'role="img" aria-labelledby="([\w -]+)"', figure)
        for name in named.split():
            assert f'id="{name}"' in figure
        assert "<table" in figure


def test_a_table_has_the_rows_of_its_chart_newest_first() -> None:
    start = timezone.now().replace(second=0, microsecond=0) - 3 * MINUTE
    chart = chart_of([1, None, 3], start)
    assert [row[1] for row in chart.rows] == [["3"], ["–"], ["1"]]
    assert chart.marks[0] == chart.rows[-1][0]


def test_a_line_is_broken_where_nothing_is_known() -> None:
    (path,) = chart_of([1, None, 4]).paths
    assert path.d.count("M") == 2
    assert "L" not in path.d


def test_the_highest_value_touches_no_edge() -> None:
    (path,) = chart_of([1, 4]).paths
    heights = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.d)]
    assert min(heights) == charts.ROOM


def test_more_points_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="201 points are too many"):
        chart_of([1] * 201)


def test_each_zone_has_its_own_times() -> None:
    chart = chart_of([1], datetime(2026, 1, 15, 12, tzinfo=UTC))
    told = []
    for zone in ("UTC", "Asia/Tokyo", "UTC"):
        with timezone.override(zone):
            told.append(chart.rows[0][0])
    assert told == ["12:00", "21:00", "12:00"]


def chart_of(values: list[float | None], start: datetime | None = None) -> charts.Chart:
    begin = start or timezone.now()
    return charts.Chart(
        "x", "X", "…", [charts.Series("failed", "Failed", values)],
        [begin + n * MINUTE for n in range(len(values))], MINUTE, words=grouped,
    )  # fmt: skip


@pytest.mark.parametrize("which", RANGES.values(), ids=lambda which: str(which.name))
def test_no_chart_has_more_than_200_points(which: Any) -> None:
    now = timezone.now()
    told = trends.read(which, "", "", now)
    assert 24 <= len(told.steps) <= charts.MOST_POINTS
    assert told.steps[-1].start <= now < told.steps[-1].start + which.step
    assert now - told.start <= which.length


@pytest.mark.parametrize("which", RANGES.values(), ids=lambda which: str(which.name))
def test_steps_are_no_finer_than_what_is_kept(which: Any) -> None:
    kept = {step.source: step.age for step in rollups.STEPS}
    oldest = timezone.now() - which.start(timezone.now())
    finest = next(source for source in sorted(kept) if source > 1 and oldest <= kept[source])
    assert which.name == "30d" or timedelta(seconds=finest) <= which.step
    assert timedelta(seconds=finest) <= DAY


# -- the table -------------------------------------------------------------------------------------


def test_classes_stand_in_the_order_asked_for(operator: Client) -> None:
    ended(job_class="shop.Ship", completed=10, ran_10=10, ran_seconds=5, ran_max=0.9)
    ended(job_class="shop.Bill", completed=1, failed=1, ran_14=2, ran_seconds=20, ran_max=12)

    def order(sort: str) -> list[str]:
        table = page(operator, f"?range=1h&sort={sort}").split('class="plain sortable"')[1]
        return re.findall(r'title="shop\.(\w+)"', table)

    assert order("time") == order("p95") == order("failed") == order("class") == ["Bill", "Ship"]
    assert order("runs") == ["Ship", "Bill"]


@pytest.mark.parametrize("name", RANGES)
def test_cells_lead_to_the_jobs_behind_them(name: str, operator: Client) -> None:
    ended(completed=10, failed=1, ran_10=11)
    table = page(operator, f"?range={name}&queue=default").split('class="plain sortable"')[1]
    place = f"/?class=shop.Ship&amp;queue=default&amp;since={name}"
    assert f'href="{place}"' in table
    assert f'href="{place}&amp;status=failed"' in table


def test_the_list_understands_each_range_as_long_as_it_is() -> None:
    assert all(span_label(name) != name for name in SPANS)
    assert {name: SPANS[name] for name in RANGES} == {
        one.name: one.length for one in RANGES.values()
    }


def test_one_class_and_queue_can_be_looked_at(operator: Client) -> None:
    make_names(("shop.Ship", "shop.Bill"), ("default", "mail"))
    ended(completed=10)
    ended(job_class="shop.Bill", queue="mail", completed=3)
    assert "3 jobs finished" in page(operator, "?range=1h&class=shop.Bill")
    assert "10 jobs finished" in page(operator, "?range=1h&queue=default")


# -- hostile addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "?range=9999999d",
        "?range=-1h&sort=__class__",
        "?range=1h&range=30d&sort=",
        "?class=%00%ED%A0%80&queue=" + "x" * 5000,
        "?sort=p95;DROP TABLE jobs_rollup",
        "?range[]=1&before=99999999999999999999&size=-1",
    ],
)
def test_an_address_that_makes_no_sense_shows_a_day(query: str, operator: Client) -> None:
    text = page(operator, query)
    if "range=1h&range=30d" not in query:
        assert re.search(r'aria-current="page">24 hours', text)
    assert "DROP TABLE" not in text


def test_a_class_from_the_address_is_escaped(operator: Client) -> None:
    assert "<script>alert" not in page(operator, "?class=<script>alert(1)</script>")


# -- what it costs ---------------------------------------------------------------------------------


def statements(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in queries]


@pytest.mark.parametrize("which", list(RANGES))
def test_the_page_takes_few_queries_and_reads_no_finished_job(which: str, operator: Client) -> None:
    make_names(("shop.Ship",), ("default",))
    make_job()
    make_job(JobStatus.COMPLETED)
    for _ in range(3):
        make_job(JobStatus.RUNNING, job_class="shop.Ship")
    ended(completed=3, ran_10=3, ran_max=0.8)
    usual.forget()
    found = statements(operator, f"/stats/?range={which}")
    assert len(found) <= 12, found
    for sql in found:
        if "jobs_job" in sql and "jobs_jobclass" not in sql:
            assert "queued" in sql or "running" in sql
            assert "LIMIT" in sql
        assert '"jobs_attempt"' not in sql


@pytest.mark.parametrize("which", list(RANGES))
def test_what_has_come_to_rest_is_not_read_again(which: str, operator: Client) -> None:
    now = timezone.now()
    ended(25 * MINUTE, completed=3)
    first = trends.read(RANGES[which], "", "", now)
    ended(25 * MINUTE, job_class="shop.Bill", completed=100)
    ended(timedelta(0), job_class="shop.Bill", completed=5)
    again = trends.read(RANGES[which], "", "", now + timedelta(microseconds=1))
    later = trends.read(RANGES[which], "", "", now + trends.RESTS)
    assert [one.whole.counts.completed for one in (first, again, later)] == [3, 8, 108]
    assert {row.job_class: row.summary.counts.completed for row in later.classes} == {
        "shop.Ship": 3,
        "shop.Bill": 105,
    }


@pytest.mark.parametrize("which", list(RANGES))
def test_nothing_is_left_out_or_counted_twice_where_rest_begins(which: str) -> None:
    now = timezone.now()
    for minutes in range(45):
        ended(minutes * MINUTE, completed=1, job_class=f"shop.Job{minutes % 3}")
    told = trends.read(RANGES[which], "", "", now + timedelta(seconds=1))
    assert told.whole.counts.completed == 45
    assert [row.summary.counts.completed for row in told.classes] == [15, 15, 15]
    assert len({step.start for step in told.steps}) == len(told.steps)
    assert told.steps == sorted(told.steps, key=lambda step: step.start)


def plan_of(rows: QuerySet[Any]) -> str:
    """Return how the database reads `rows` where tables are large."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


def test_rows_of_a_time_are_read_from_an_index(db: None) -> None:
    if connection.vendor == "mysql":
        pytest.skip("it reads small tables as a whole, whatever its indexes")
    now = timezone.now()
    errors = ErrorRollup.objects.filter(resolution__in=(1, 60), period__gte=now - DAY)
    of_all, of_one = (statistics.between(now - DAY, now, job_class=c) for c in ("", "shop.Ship"))
    for rows in (of_all.values("job_class"), of_one.values("job_class"), errors):
        plan = plan_of(rows)
        assert "Seq Scan" not in plan
        assert re.search(r"SEARCH jobs_\w+ USING (COVERING )?INDEX|Index", plan), plan


# -- what is usual ---------------------------------------------------------------------------------


def test_what_is_usual_comes_from_the_last_days_of_the_class() -> None:
    ended(HOUR, ran_10=99, ran_max=0.9)
    ended(9 * DAY, ran_20=99, ran_max=900)
    ended(HOUR, job_class="shop.Bill", ran_20=99, ran_max=900)
    ship = usual.usual("shop.Ship")
    assert 0.5 <= (ship.p50 or 0) <= (ship.p95 or 0) <= 1.024
    assert usual.usual("shop.None") == (None, None)


def test_what_is_usual_is_remembered_for_some_seconds(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        for _ in range(3):
            usual.usual("shop.Ship")
