"""Percentiles from buckets, against those of the durations themselves."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.histograms import BOUNDS, BUCKETS, Histogram, bucket_of, limits

MILLISECOND, DAY = 0.001, 86_400.0
within = st.floats(min_value=0, max_value=BOUNDS[-1] * 0.999)
durations = st.lists(within, min_size=1, max_size=200)
percents = st.integers(min_value=0, max_value=100)


def exact(seconds: list[float], percent: float) -> float:
    """Return the smallest of `seconds` that at least `percent` of 100 of them do not exceed."""
    rank = max(1, math.ceil(len(seconds) * percent / 100))
    return sorted(seconds)[rank - 1]


def test_bounds_reach_from_a_millisecond_to_more_than_a_week() -> None:
    assert BOUNDS[0] == MILLISECOND
    assert BOUNDS[-1] > 12 * DAY
    assert len(BOUNDS) == BUCKETS - 1


@given(st.floats(min_value=0, max_value=1e12))
@example(MILLISECOND)
@example(BOUNDS[-1])
def test_a_duration_lies_between_the_limits_of_its_bucket(seconds: float) -> None:
    lower, upper = limits(bucket_of(seconds))
    assert lower <= seconds
    assert seconds < upper or math.isclose(seconds, upper)


@pytest.mark.parametrize("bound", range(len(BOUNDS)))
def test_every_bound_begins_the_next_bucket(bound: int) -> None:
    assert bucket_of(BOUNDS[bound]) == bound + 1


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    assert bucket_of(-5.0) == 0


@given(durations, percents)
def test_a_percentile_is_in_the_bucket_of_the_true_one(seconds: list[float], percent: int) -> None:
    found = Histogram.of(seconds).percentile(percent)
    assert found is not None
    lower, upper = limits(bucket_of(exact(seconds, percent)))
    assert lower <= found <= upper


@given(st.lists(st.floats(min_value=MILLISECOND, max_value=10 * DAY), min_size=1), percents)
def test_a_percentile_is_less_than_a_factor_of_two_off(seconds: list[float], percent: int) -> None:
    found = Histogram.of(seconds).percentile(percent)
    assert found is not None
    ratio = found / exact(seconds, percent)
    assert 0.5 <= ratio <= 2 or math.isclose(ratio, 0.5) or math.isclose(ratio, 2)


@given(durations, st.lists(percents, min_size=2).map(sorted))
def test_a_higher_percentile_is_never_smaller(seconds: list[float], rising: list[int]) -> None:
    histogram = Histogram.of(seconds)
    found = [histogram.percentile(percent) or 0 for percent in rising]
    assert found == sorted(found)


@given(durations, durations)
def test_histograms_of_parts_add_up_to_that_of_the_whole(
    some: list[float], others: list[float]
) -> None:
    parts = zip(Histogram.of(some).counts, Histogram.of(others).counts, strict=True)
    assert [a + b for a, b in parts] == list(Histogram.of(some + others).counts)


def test_evenly_spread_durations_give_nearly_true_percentiles() -> None:
    seconds = [n / 1000 for n in range(1, 10_000)]
    for percent in (25, 50, 75, 95):
        found = Histogram.of(seconds).percentile(percent)
        assert found == pytest.approx(exact(seconds, percent), rel=0.02)


def test_beyond_the_last_bound_the_longest_duration_is_the_limit() -> None:
    assert Histogram.of([90 * DAY]).percentile(50) == pytest.approx(90 * DAY)


def test_no_percentile_exceeds_the_longest_duration() -> None:
    assert Histogram.of([0.070, 0.071, 0.072]).percentile(99) == pytest.approx(0.072)


def test_no_durations_have_no_percentile() -> None:
    assert Histogram().percentile(95) is None
    assert Histogram().total == 0
