"""What an attempt takes while it runs, in few points however long that is."""

from __future__ import annotations

from typing import Any

MOST = 120
"""Points kept; one more, and each two become one."""
SHORTEST = 2
"""Points below which nothing is kept: an attempt of about two seconds has that many."""

Point = tuple[float, int, float]
"""Seconds since the start, the most bytes of resident memory since the last point, CPU seconds."""


class Samples:
    """Takes measurements as they come and keeps points that are `every` seconds apart."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.every = 1.0
        self.peak = 0
        self.latest: Point = (0.0, 0, 0.0)
        """What the last look found, kept or not."""

    def add(self, elapsed: float, rss: int, cpu: float) -> None:
        """Take one measurement; `elapsed` and `cpu` are seconds since the attempt began."""
        self.peak = max(self.peak, rss)
        # A process that has vanished from the tree takes its seconds with it.
        self.latest = (round(elapsed, 1), rss, round(max(cpu, self.latest[2]), 2))
        before = self.points[-1][0] if self.points else 0.0
        if elapsed - before < self.every * 0.95:  # Looks are a little early or late.
            return
        at, _, spent = self.latest
        self.points.append((at, self.peak, spent))
        self.peak = 0
        if len(self.points) > MOST:
            self._halve()

    def _halve(self) -> None:
        pairs = zip(self.points[::2], self.points[1::2], strict=False)
        odd = self.points[len(self.points) // 2 * 2 :]
        self.points = [(at, max(rss, before[1]), cpu) for before, (at, rss, cpu) in pairs] + odd
        self.every *= 2

    def stored(self, memory_limit: int | None) -> dict[str, Any] | None:
        """Return what is kept of it on the attempt; None where that would say nothing."""
        if len(self.points) < SHORTEST:
            return None
        return {"memory_limit": memory_limit, "points": [*self.points]}

    def so_far(self, memory_limit: int | None) -> dict[str, Any] | None:
        """Return what is kept while the attempt runs: also what the last look found."""
        stored = self.stored(memory_limit)
        at, rss, _ = self.latest
        return None if stored is None else stored | {"now": [at, rss]}
