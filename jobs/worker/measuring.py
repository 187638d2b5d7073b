"""Telling the ledger, now and then, what the attempts that run take."""

from __future__ import annotations

from collections.abc import Callable

from ..lifecycle.records import Measurement
from . import events
from .children import Attempting
from .pool import Pool

ROUND = 5.0
"""Seconds between two rounds: what several attempts take is written in one transaction."""
SHARE, SELDOM = 1 / 60, 30.0
"""Part of an attempt's time, but seconds at most, that pass until it is told of again."""


class Measuring:
    """Times are monotonic seconds. An attempt that is younger than a round costs nothing."""

    def __init__(self, pool: Pool, post: Callable[[events.Posted], None]) -> None:
        self.pool, self.post = pool, post
        self.round_at = 0.0

    def turn(self, now: float) -> None:
        """Tell of those whose turn it is, once in a round."""
        if now < self.round_at:
            return
        self.round_at = now + ROUND
        busy = (child.current for child in self.pool.busy())
        taken = [found for one in busy if one is not None and (found := measured(one, now))]
        if taken:
            self.post(events.Measured(taken))


def measured(current: Attempting, now: float) -> Measurement | None:
    """Return what an attempt has taken so far, and note that it is told; None before its time."""
    ran = now - current.started
    pause = min(max(ROUND, ran * SHARE), SELDOM)
    before = max(current.told_at, current.started)
    if current.samples is None or current.claim is None or now - before < pause:
        return None
    samples = current.samples.so_far(current.limits.memory_limit)
    if samples is None:
        return None
    current.told_at = now
    return Measurement(current.attempt_id, current.samples.latest[2], current.peak_rss, samples)
