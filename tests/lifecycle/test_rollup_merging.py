"""Rows of the sums are merged as they age, and nothing is lost or doubled by it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import Sum

from jobs.lifecycle import finishing, rollups
from jobs.lifecycle.engines import Engine
from jobs.models import Resolution, Rollup, Worker

from .acting import at_once, claim_new, outcome

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def by_resolution() -> dict[int, int]:
    """Return resolution → jobs completed in rows of it."""
    rows = Rollup.objects.values_list("resolution").annotate(n=Sum("completed"))
    return dict(rows.order_by("resolution"))


def row_of(period: datetime, resolution: int = Resolution.WRITER, **values: Any) -> Rollup:
    defaults = {"job_class": "shop.Ship", "queue": "default", "shard": 1, "completed": 1}
    return Rollup.objects.create(resolution=resolution, period=period, **(defaults | values))


def merged(engine: Engine) -> None:
    while rollups.merge(engine):
        pass


def test_minutes_of_writers_become_one_and_are_added_to_all_time(engine: Engine) -> None:
    at = rollups.period_of(engine.now() - 5 * MINUTE, Resolution.MINUTE)
    for shard in (1, 2, 3):
        row_of(at, shard=shard, waited_4=2, ran_7=None if shard == 1 else 1, peak_rss=shard)
    merged(engine)
    columns = ("resolution", "period", "shard", "completed", "waited_4", "ran_7", "peak_rss")
    assert list(Rollup.objects.order_by("resolution").values_list(*columns)) == [
        (Resolution.EVER, rollups.FIRST_PERIOD, 0, 3, 6, 2, 3),
        (Resolution.MINUTE, at, 0, 3, 6, 2, 3),
    ]


def test_a_minute_that_may_still_grow_is_left(engine: Engine) -> None:
    row_of(rollups.period_of(engine.now(), Resolution.MINUTE))
    merged(engine)
    assert by_resolution() == {Resolution.WRITER: 1}


@pytest.mark.parametrize(
    ("age", "kept_in"),
    [
        (HOUR, Resolution.MINUTE),
        (4 * HOUR, Resolution.TEN_MINUTES),
        (25 * HOUR, Resolution.TEN_MINUTES),
        (28 * HOUR, Resolution.HOUR),
        (13 * DAY, Resolution.HOUR),
        (16 * DAY, Resolution.DAY),
        (399 * DAY, Resolution.DAY),
    ],
)
def test_the_older_a_row_the_coarser_it_is(
    engine: Engine, age: timedelta, kept_in: Resolution
) -> None:
    at = engine.now() - age
    row_of(rollups.period_of(at, Resolution.MINUTE))
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 1, kept_in: 1}
    row = Rollup.objects.get(resolution=kept_in)
    assert row.period == rollups.period_of(at, kept_in)


def test_days_end_after_more_than_a_year_and_stay_in_the_lifetime(engine: Engine) -> None:
    row_of(engine.now() - 500 * DAY)
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 1}


def test_what_comes_late_is_added_to_an_hour_that_is_merged_already(engine: Engine) -> None:
    at = engine.now() - 30 * HOUR
    for _ in range(2):
        row_of(at)
        merged(engine)
    assert by_resolution() == {Resolution.EVER: 2, Resolution.HOUR: 2}


def test_classes_and_queues_stay_apart(engine: Engine) -> None:
    at = engine.now() - 30 * HOUR
    row_of(at, queue="mail")
    row_of(at, queue="default")
    row_of(at, job_class="shop.Bill")
    merged(engine)
    hours = Rollup.objects.filter(resolution=Resolution.HOUR)
    assert hours.count() == 3


def test_a_merge_takes_some_rows_at_a_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MERGED_AT_ONCE", 2)
    at = engine.now() - HOUR
    for shard in range(5):
        row_of(at, shard=shard)
    assert rollups.merge(engine) == 2
    assert by_resolution() == {Resolution.EVER: 2, Resolution.WRITER: 3, Resolution.MINUTE: 2}
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 5, Resolution.MINUTE: 5}


@pytest.mark.django_db(transaction=True)
def test_nothing_to_merge_opens_no_transaction(
    engine: Engine, django_assert_max_num_queries: Any
) -> None:
    row_of(engine.now())
    with django_assert_max_num_queries(len(rollups.STEPS) + 1) as statements:
        rollups.merge(engine)
    assert not [one for one in statements.captured_queries if one["sql"].startswith("BEGIN")]


@pytest.mark.django_db(transaction=True)
def test_workers_that_merge_at_the_same_time_lose_and_double_nothing(
    db: None, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "MERGED_AT_ONCE", 7)
    at = engine.now() - 20 * DAY
    Rollup.objects.bulk_create(
        Rollup(
            resolution=Resolution.WRITER,
            period=rollups.period_of(at + n * MINUTE, Resolution.MINUTE),
            job_class=f"shop.Job{n % 3}",
            queue="default",
            shard=n,
            completed=1,
        )
        for n in range(60)
    )
    at_once(3, merged)
    merged(engine)
    counts = by_resolution()
    assert counts.pop(Resolution.EVER) == 60
    assert sum(counts.values()) == 60
    assert set(counts) <= {Resolution.HOUR, Resolution.DAY}


@pytest.mark.django_db(transaction=True)
def test_an_outcome_may_arrive_while_its_minute_is_merged(worker: Worker, engine: Engine) -> None:
    claims = [claim_new(worker) for _ in range(12)]
    at = engine.now() - HOUR

    def write(own: Engine) -> None:
        for _ in range(4):
            finishing.finish(own, worker.pk, [outcome(claims.pop(), finished_at=at)])
            rollups.merge(own)

    at_once(3, write)
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 12, Resolution.MINUTE: 12}
