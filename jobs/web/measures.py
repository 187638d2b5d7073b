"""Memory and CPU of one attempt over its time, drawn as SVG and told as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from ..models import Attempt

WIDTH, HEIGHT = 300, 56
"""Units of one drawing."""
ROOM = 1.08
"""What a drawing is higher than its largest value."""
ONE_PROCESSOR = 100.0
"""Percent that the drawing of CPU shows at least: a job that rests is to look like it."""


@dataclass(frozen=True)
class Measure:
    """One moment: seconds since the start, bytes of memory, percent of one processor since before."""

    at: float
    rss: int
    percent: float


@dataclass(frozen=True)
class Drawing:
    line: str
    area: str
    """Points of a polyline, and of the polygon below it."""
    limit_y: float | None
    """Where the limit is drawn; None where there is none."""


@dataclass(frozen=True)
class Measures:
    points: list[Measure]
    memory_limit: int | None
    memory: Drawing
    cpu: Drawing
    seen_at: datetime | None = None
    """When the last look was taken; None where its outcome brought all."""
    rss_seen: int | None = None
    """Bytes of memory then."""

    @property
    def seen_ago(self) -> timedelta | None:
        return max(timezone.now() - self.seen_at, timedelta(0)) if self.seen_at else None


def measures_of(attempt: Attempt) -> Measures | None:
    """Return what was measured of an attempt; None where that is nothing."""
    samples: dict[str, Any] = attempt.samples or {}
    raw = [tuple(one) for one in samples.get("points") or []]
    if len(raw) < 2:
        return None
    seen_at = rss_seen = None
    if now := samples.get("now"):
        at, rss_seen = now
        seen_at = (attempt.started_at or attempt.claimed_at) + timedelta(seconds=at)
        if at > raw[-1][0]:
            raw.append((at, rss_seen, attempt.cpu_seconds or 0.0))
    points = []
    before, spent = 0.0, 0.0
    for at, rss, cpu in raw:
        points.append(Measure(at, rss, 100 * max(cpu - spent, 0) / max(at - before, 0.001)))
        before, spent = at, cpu
    limit = samples.get("memory_limit")
    memory = drawn([(one.at, float(one.rss)) for one in points], limit)
    cpu = drawn([(one.at, one.percent) for one in points], None, ONE_PROCESSOR)
    return Measures(points, limit, memory, cpu, seen_at, rss_seen)


def drawn(
    values: Sequence[tuple[float, float]], limit: float | None, least: float = 1e-9
) -> Drawing:
    """Return the line through (time, value) from 0 to the last time, on the drawing's scale."""
    most = max(*(value for _, value in values), limit or 0, least) * ROOM
    end = values[-1][0] or 1.0

    def y(value: float) -> float:
        return round(HEIGHT - value / most * HEIGHT, 1)

    places = [(round(at / end * WIDTH, 1), y(value)) for at, value in values]
    line = " ".join(f"{x},{height}" for x, height in places)
    area = f"{places[0][0]},{HEIGHT} {line} {places[-1][0]},{HEIGHT}"
    return Drawing(line, area, y(limit) if limit else None)
