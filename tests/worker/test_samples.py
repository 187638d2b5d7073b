"""What an attempt takes over time is kept in few points, and not at all for quick jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from jobs.lifecycle.records import Claim
from jobs.worker.buffers import OutputBuffer
from jobs.worker.children import Attempting
from jobs.worker.limits import Limits
from jobs.worker.measuring import measured
from jobs.worker.samples import MOST, Samples

from .. import sample_jobs as sample
from ..waiting import DEADLINE, wait_until
from . import watched_jobs as watched
from .conftest import StartWorker, only_attempt

pytestmark = pytest.mark.once


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


# -- while it runs ---------------------------------------------------------------------------------


def running_for(seconds: int) -> Attempting:
    """Return an attempt that began at 1000.0 and was looked at each second since."""
    now, output = datetime.now(UTC), OutputBuffer(1, 1000)
    limits = Limits(False, None, 99, False, 10.0, 1000)
    claim = Claim(1, 1, 1, "shop.Job", "default", 0, now, "{}", 0, 3, 0)
    current = Attempting(1, 1, 1, "shop.Job", output, 1000.0, now, limits, claim)
    current.samples, current.peak_rss = Samples(), seconds
    for second in range(1, seconds + 1):
        current.samples.add(float(second), second, second / 2)
    return current


def test_a_short_attempt_is_not_told_of() -> None:
    assert measured(running_for(4), 1004.0) is None


def test_what_an_attempt_has_taken_so_far_is_told_with_the_last_look() -> None:
    found = measured(running_for(6), 1006.0)
    assert found is not None
    assert (found.attempt_id, found.cpu_seconds, found.peak_rss) == (1, 3.0, 6)
    assert found.samples["now"] == [6.0, 6]
    assert found.samples["memory_limit"] == 99
    assert len(found.samples["points"]) == 6


@pytest.mark.parametrize(("seconds", "pause"), [(10, 5.0), (600, 10.0), (90_000, 30.0)])
def test_the_longer_an_attempt_runs_the_less_often_it_is_told_of(
    seconds: int, pause: float
) -> None:
    current = running_for(seconds)
    now = 1000.0 + seconds
    assert measured(current, now) is not None
    assert measured(current, now + pause - 0.5) is None
    assert measured(current, now + pause * 1.1) is not None


def test_a_hook_is_not_told_of() -> None:
    current = running_for(60)
    current.claim = None
    assert measured(current, 1060.0) is None


@pytest.mark.usefixtures("live_database")
def test_what_an_attempt_takes_is_stored_while_it_runs(worker: StartWorker) -> None:
    worker()
    job = watched.TakesMore(seconds=60).dispatch()
    wait_until(lambda: job.attempts.filter(peak_rss__isnull=False).exists(), DEADLINE)
    attempt = only_attempt(job)
    assert attempt.status == "running"
    assert attempt.samples is not None
    assert attempt.samples["memory_limit"] == 1024**3
    at, rss = attempt.samples["now"]
    assert at > 0
    assert 0 < rss <= (attempt.peak_rss or 0)
    assert len(attempt.samples["points"]) >= 3
    assert attempt.cpu_seconds is not None


# -- in the end ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("live_database")
@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_of_some_seconds_keeps_what_it_took(
    burst: Callable[..., object], fails: bool
) -> None:
    job = watched.TakesMore(seconds=3.2, fails=fails).dispatch()
    quick = sample.Returns().dispatch()
    burst()
    samples = only_attempt(job).samples
    assert samples is not None
    assert samples["memory_limit"] == 1024**3
    assert [round(at) for at, _, _ in samples["points"]] == [1, 2, 3]
    memory = [rss for _, rss, _ in samples["points"]]
    assert memory == sorted(memory)
    assert memory[-1] - memory[0] > 20 * 1024 * 1024
    assert samples["points"][-1][2] > 0
    assert only_attempt(quick).samples is None
