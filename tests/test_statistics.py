"""What the rollups say, against the same computed from the outcomes themselves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs import statistics
from jobs.histograms import bucket_of, limits
from jobs.lifecycle import rollups
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.records import Outcome
from jobs.models import Resolution, Rollup
from jobs.states import AttemptStatus, JobStatus
from jobs.statistics import Counts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

STATUSES = {
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.RETRYING: "retried",
    JobStatus.CANCELLED: "cancelled",
    JobStatus.QUEUED: "released",
}


def outcome(at: datetime, waited: float = 1, ran: float = 1, **values: Any) -> Outcome:
    started = at - timedelta(seconds=ran)
    defaults: dict[str, Any] = {"job_class": "shop.Ship", "queue": "default"}
    return Outcome(
        attempt_id=1,
        job_id=1,
        number=1,
        status=AttemptStatus.COMPLETED,
        finished_at=at,
        started_at=started,
        due_at=started - timedelta(seconds=waited),
        cpu_seconds=0.5,
        peak_rss=1000,
        **(defaults | values),
    )


def store(*outcomes: tuple[Outcome, JobStatus]) -> None:
    tally = rollups.Tally()
    for one, status in outcomes:
        tally.add(one, status)
    tally.store(engine_for())


def row_of(resolution: int, period: datetime, **values: Any) -> Rollup:
    defaults: dict[str, Any] = {"job_class": "shop.Ship", "queue": "default", "completed": 1}
    return Rollup.objects.create(resolution=resolution, period=period, **(defaults | values))


seconds = st.floats(min_value=0.001, max_value=900_000)
ends = st.lists(
    st.tuples(
        st.sampled_from(sorted(STATUSES)),
        st.sampled_from(["shop.Ship", "shop.Bill"]),
        st.integers(min_value=0, max_value=59),
        seconds,
        seconds,
    ),
    min_size=1,
    max_size=30,
)


class AgainstTheOutcomes(TestCase):
    @settings(max_examples=25, deadline=None)
    @given(ends, st.sampled_from([50, 95, 99]))
    def test_summaries_say_what_the_outcomes_say(
        self, given_ends: list[tuple[JobStatus, str, int, float, float]], percent: int
    ) -> None:
        store(
            *(
                (outcome(NOON + n * MINUTE, waited, ran, job_class=name), status)
                for status, name, n, waited, ran in given_ends
            )
        )
        found = statistics.summaries(statistics.between(NOON, NOON + HOUR), "job_class")
        assert set(found) == {name for _, name, *_ in given_ends}
        for name, told in found.items():
            mine = [end for end in given_ends if end[1] == name]
            ended = Counter(STATUSES[status] for status, *_ in mine)
            assert told.counts == Counts(**ended)
            assert told.waited_seconds == pytest.approx(sum(end[3] for end in mine), abs=0.001)
            assert told.ran_seconds == pytest.approx(sum(end[4] for end in mine), abs=0.001)
            assert told.cpu_seconds == pytest.approx(len(mine) / 2)
            rank = max(1, -(-len(mine) * percent // 100)) - 1
            waits, runs = [end[3] for end in mine], [end[4] for end in mine]
            for histogram, durations in ((told.waited, waits), (told.ran, runs)):
                true = sorted(round(one, 6) for one in durations)[rank]
                lower, upper = limits(bucket_of(true))
                assert lower <= (histogram.percentile(percent) or 0) <= upper

    @settings(max_examples=25, deadline=None)
    @given(ends)
    def test_merging_changes_no_total(
        self, given_ends: list[tuple[JobStatus, str, int, float, float]]
    ) -> None:
        now = engine_for().now()
        store(
            *(
                (outcome(now - n * n * 8 * HOUR, waited, ran, job_class=name), status)
                for status, name, n, waited, ran in given_ends
                if n < 30
            )
        )
        since = now - 1000 * DAY
        before = statistics.summary(statistics.between(since, now + MINUTE))
        ever = statistics.lifetime()
        while rollups.merge(engine_for()):
            pass
        after = statistics.summary(statistics.between(since, now + MINUTE))
        assert statistics.lifetime() == ever == before.counts == after.counts
        assert (before.waited, before.ran) == (after.waited, after.ran)
        assert before.ran_seconds == pytest.approx(after.ran_seconds)
        assert before.peak_rss == after.peak_rss


pytestmark = pytest.mark.django_db


def test_an_empty_table_has_no_counts(db: None) -> None:
    rows = statistics.between(NOON, NOON + HOUR)
    assert statistics.counts(rows) == statistics.lifetime() == Counts()
    assert statistics.summary(rows).ran.percentile(95) is None
    assert statistics.summaries(rows, "job_class") == {}
    assert statistics.first_period() is None


def test_periods_from_the_start_up_to_the_end_are_counted(db: None) -> None:
    for period in (NOON - MINUTE, NOON, NOON + 59 * MINUTE, NOON + HOUR):
        row_of(Resolution.MINUTE, period)
    assert statistics.counts(statistics.between(NOON, NOON + HOUR)).completed == 2


def test_all_time_is_no_period(db: None) -> None:
    row_of(Resolution.EVER, rollups.FIRST_PERIOD, completed=7)
    row_of(Resolution.HOUR, NOON)
    rows = statistics.between(rollups.FIRST_PERIOD, NOON + DAY)
    assert statistics.counts(rows).completed == 1
    assert statistics.first_period() == NOON


def test_the_lifetime_is_what_was_merged_and_what_was_not_yet(db: None) -> None:
    row_of(Resolution.EVER, rollups.FIRST_PERIOD, completed=7, failed=1)
    row_of(Resolution.WRITER, NOON, shard=1, failed=2)
    row_of(Resolution.MINUTE, NOON)
    assert statistics.lifetime() == Counts(completed=8, failed=3)
    assert statistics.lifetime().finished == 11


def test_one_class_or_queue_can_be_chosen(db: None) -> None:
    row_of(Resolution.MINUTE, NOON, queue="mail")
    row_of(Resolution.MINUTE, NOON, job_class="shop.Bill", completed=2)
    end = NOON + HOUR
    assert statistics.counts(statistics.between(NOON, end, queue="mail")).completed == 1
    assert statistics.counts(statistics.between(NOON, end, job_class="shop.Bill")).completed == 2
    by_queue = statistics.summaries(statistics.between(NOON, end), "queue")
    assert {name: one.counts.completed for name, one in by_queue.items()} == {
        "default": 2,
        "mail": 1,
    }


def test_a_series_has_a_point_for_every_step(db: None) -> None:
    row_of(Resolution.MINUTE, NOON, completed=1)
    row_of(Resolution.MINUTE, NOON + 14 * MINUTE, completed=2)
    row_of(Resolution.WRITER, NOON + 15 * MINUTE, failed=1, completed=0)
    rows = statistics.between(NOON, NOON + HOUR)
    points = statistics.series(rows, NOON, NOON + HOUR, 15 * MINUTE)
    assert [(point.start, point.counts) for point in points] == [
        (NOON, Counts(completed=3)),
        (NOON + 15 * MINUTE, Counts(failed=1)),
        (NOON + 30 * MINUTE, Counts()),
        (NOON + 45 * MINUTE, Counts()),
    ]


@pytest.mark.parametrize(
    ("span", "step", "why"),
    [
        (HOUR, timedelta(seconds=30), "0:00:30 is shorter than a minute"),
        (HOUR, timedelta(0), "0:00:00 is shorter than a minute"),
        (30 * DAY, MINUTE, "43200 points are too many: at most 1000"),
    ],
)
def test_a_series_that_cannot_be_drawn_says_why(
    db: None, span: timedelta, step: timedelta, why: str
) -> None:
    rows = statistics.between(NOON, NOON + span)
    with pytest.raises(ValueError, match=why):
        statistics.series(rows, NOON, NOON + span, step)


@pytest.mark.parametrize("passed", [0.2, 0.9, 59.9])
def test_the_step_under_way_counts_from_its_first_moment(passed: float) -> None:
    end = NOON + timedelta(seconds=passed)
    steps, _ = statistics.trend_and_classes(Rollup.objects.none(), NOON - HOUR, end, MINUTE)
    assert steps[-1].start == NOON
