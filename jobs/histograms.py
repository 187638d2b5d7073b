"""Durations counted in fixed buckets, so that percentiles of many add up from those of few.

The bounds double from a millisecond to twelve days, as finely as Prometheus' default buckets and
further up, because jobs wait for days. A percentile read from them lies in the same bucket as the
true one, and so less than a factor of two away; mostly it is much nearer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import add

BUCKETS = 32
BOUNDS = tuple(2**n / 1000 for n in range(BUCKETS - 1))
"""Seconds at which a bucket ends and the next begins; the last bucket has no end."""


def bucket_of(seconds: float) -> int:
    """Return the index of the bucket of a duration; a negative one counts as 0."""
    # Bucket n holds the whole milliseconds of n binary digits, which spares a search.
    return min(int(max(seconds, 0.0) * 1000).bit_length(), BUCKETS - 1)


def limits(bucket: int) -> tuple[float, float]:
    """Return the seconds between which the durations of a bucket lie; infinity ends the last."""
    lower = BOUNDS[bucket - 1] if bucket else 0.0
    return lower, BOUNDS[bucket] if bucket < len(BOUNDS) else math.inf


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations fell into each bucket, and the longest of them."""

    counts: Sequence[int] = (0,) * BUCKETS
    longest: float = 0.0
    """Seconds."""

    @classmethod
    def of(cls, durations: Iterable[float]) -> Histogram:
        """Count durations, given in seconds."""
        counts, longest = [0] * BUCKETS, 0.0
        for seconds in durations:
            counts[bucket_of(seconds)] += 1
            longest = max(longest, seconds)
        return cls(counts, longest)

    def __add__(self, other: Histogram) -> Histogram:
        counts = tuple(map(add, self.counts, other.counts))
        return Histogram(counts, max(self.longest, other.longest))

    @property
    def total(self) -> int:
        return sum(self.counts)

    def percentile(self, percent: float) -> float | None:
        """Return the seconds that `percent` of 100 durations do not exceed; None without any.

        Durations are taken as spread evenly over their bucket, or up to the longest of all.
        """
        rank = max(1, math.ceil(self.total * percent / 100))
        below = 0
        for bucket, count in enumerate(self.counts):
            if below + count >= rank and count:
                lower, upper = limits(bucket)
                width = max(0.0, min(upper, self.longest) - lower)
                return lower + width * (rank - below) / count
            below += count
        return None
