"""What an attempt takes over time is kept in few points, and not at all for quick jobs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.worker.samples import MOST, Samples

from .. import sample_jobs as sample
from . import watched_jobs as watched
from .conftest import only_attempt


def test_points_are_a_second_apart_and_keep_the_peak_between_them() -> None:
    samples = Samples()
    for tenth in range(1, 31):
        samples.add(tenth / 10, 500 if tenth == 15 else 100 + tenth, tenth / 20)
    assert samples.points == [(1.0, 110, 0.5), (2.0, 500, 1.0), (3.0, 130, 1.5)]


def test_a_long_attempt_keeps_as_many_points_as_a_short_one() -> None:
    samples = Samples()
    for second in range(1, 100_001):
        samples.add(float(second), second, second / 2)
    assert MOST / 2 <= len(samples.points) <= MOST
    times = [at for at, _, _ in samples.points]
    assert times == sorted(times)
    assert times[-1] > 98_000
    assert samples.points[-1][2] == samples.points[-1][0] / 2


def test_halving_keeps_the_largest_peak() -> None:
    samples = Samples()
    for second in range(1, 1000):
        samples.add(float(second), 9999 if second == 77 else 10, 0.0)
    assert max(rss for _, rss, _ in samples.points) == 9999


def test_cpu_never_runs_backwards_where_a_process_has_vanished_from_the_tree() -> None:
    samples = Samples()
    samples.add(1.0, 1, 5.0)
    samples.add(2.0, 1, 3.0)
    assert [cpu for _, _, cpu in samples.points] == [5.0, 5.0]


@pytest.mark.usefixtures("live_database")
@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_of_some_seconds_keeps_what_it_took(
    burst: Callable[..., object], fails: bool
) -> None:
    job = watched.TakesMore(seconds=3.2, fails=fails).dispatch()
    quick = sample.Returns().dispatch()
    burst()
    samples = job.attempts.order_by("id")[0].samples
    assert samples is not None
    assert samples["memory_limit"] == 1024**3
    assert [round(at) for at, _, _ in samples["points"]] == [1, 2, 3]
    memory = [rss for _, rss, _ in samples["points"]]
    assert memory == sorted(memory)
    assert memory[-1] - memory[0] > 20 * 1024 * 1024
    assert samples["points"][-1][2] > 0
    assert only_attempt(quick).samples is None
