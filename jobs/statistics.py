"""Reading the rollups: totals, series over time, and how long jobs waited and ran.

Start with the rows of a time, and ask them:

    rows = between(now - timedelta(days=1), now)
    summaries(rows, "job_class")["shop.SendInvoice"].ran.percentile(95)

No function reads jobs or attempts. Times are aware; periods are those of UTC.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from django.db.models import Aggregate, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from .histograms import Histogram
from .models import Resolution, Rollup
from .models.rollups import LARGEST, RAN, WAITED

PARTS = (
    Resolution.WRITER,
    Resolution.MINUTE,
    Resolution.TEN_MINUTES,
    Resolution.HOUR,
    Resolution.DAY,
)
"""Every outcome is in one row of these."""
MOST_POINTS = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many jobs and attempts ended how."""

    completed: int = 0
    failed: int = 0
    """Jobs that had no attempt left."""
    retried: int = 0
    """Attempts that failed and were followed by another."""
    cancelled: int = 0
    released: int = 0
    """Attempts given back unspent."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, n) + getattr(other, n) for n in COUNTED))

    @property
    def finished(self) -> int:
        """Jobs that reached a final state."""
        return self.completed + self.failed + self.cancelled

    @property
    def failures(self) -> int:
        """Attempts that failed, the last one or not."""
        return self.failed + self.retried

    @property
    def failure_rate(self) -> float | None:
        """The failed share of the attempts that completed or failed; None without any."""
        tried = self.completed + self.failures
        return self.failures / tried if tried else None


COUNTED = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True, slots=True)
class Point:
    """What ended in one step of a series."""

    start: datetime
    counts: Counts


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of many attempts together. Times are seconds."""

    counts: Counts
    waited: Histogram
    """From when they were due until a process had them."""
    ran: Histogram
    waited_seconds: float
    ran_seconds: float
    cpu_seconds: float
    peak_rss: int
    """Bytes of the largest."""

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            self.counts + other.counts,
            self.waited + other.waited,
            self.ran + other.ran,
            self.waited_seconds + other.waited_seconds,
            self.ran_seconds + other.ran_seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_rss, other.peak_rss),
        )


NOTHING = Summary(Counts(), Histogram(), Histogram(), 0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """All that is known of what ended in one step of a trend."""

    start: datetime
    summary: Summary


class Usual(NamedTuple):
    """How long attempts of a class mostly ran of late, in seconds; None without any."""

    p50: float | None
    p95: float | None


LATELY = timedelta(days=7)
USUAL_KEPT = 10
"""Seconds for which a process takes what is usual from its memory."""


def between(
    start: datetime, end: datetime, *, job_class: str = "", queue: str = ""
) -> QuerySet[Rollup]:
    """Return the rows of periods that begin from `start` up to but not at `end`.

    What is older has been merged into hours and days, so begin at a full hour or day then.
    """
    rows = Rollup.objects.filter(resolution__in=PARTS, period__gte=start, period__lt=end)
    if job_class:
        rows = rows.filter(job_class=job_class)
    return rows.filter(queue=queue) if queue else rows


def counts(rows: QuerySet[Rollup]) -> Counts:
    """Add up all rows."""
    found = rows.aggregate(**{name: Sum(name, default=0) for name in COUNTED})
    return Counts(**found)


def failure_counts(start: datetime, split: datetime, end: datetime) -> tuple[Counts, Counts]:
    """Return what completed and failed from `start` to `split`, and from there to `end`."""
    names = ("completed", "failed", "retried")
    asked = {
        f"{part}_{name}": Sum(name, filter=when, default=0)
        for part, when in {"before": Q(period__lt=split), "after": Q(period__gte=split)}.items()
        for name in names
    }
    found = between(start, end).aggregate(**asked)
    before, after = (
        Counts(**{name: found[f"{part}_{name}"] for name in names}) for part in ("before", "after")
    )
    return before, after


def lifetime() -> Counts:
    """Return the counts of all jobs there ever were, pruned ones included."""
    return counts(Rollup.objects.filter(resolution__in=(Resolution.EVER, Resolution.WRITER)))


def ever_by_class_and_queue(limit: int) -> dict[tuple[str, str], Summary]:
    """Return summaries of all there ever was, of the first `limit` classes and queues."""
    rows = Rollup.objects.filter(resolution__in=(Resolution.EVER, Resolution.WRITER))
    keys = ("job_class", "queue")
    groups = rows.order_by(*keys).values(*keys).annotate(**_ALL)[:limit]
    return {(group["job_class"], group["queue"]): _summary(group) for group in groups}


def first_period() -> datetime | None:
    """Return the begin of the oldest period with rows of its own; None without any."""
    rows = Rollup.objects.filter(resolution__in=PARTS)
    found: datetime | None = rows.aggregate(first=Min("period"))["first"]
    return found


def series(rows: QuerySet[Rollup], start: datetime, end: datetime, step: timedelta) -> list[Point]:
    """Return one point for every `step` of UTC from `start` to `end`, also where nothing happened.

    A step finer than the rows leaves gaps between the begins of hours, or days. Raises ValueError
    for a step below a minute, and for more than MOST_POINTS points.
    """
    found = dict.fromkeys(_places(start, end, step), Counts())
    for period, *numbers in rows.order_by().values_list("period").annotate(*map(Sum, COUNTED)):
        place = _place(period, step)
        if place in found:
            found[place] += Counts(*numbers)
    return [Point(_begin(place, step), each) for place, each in found.items()]


def trend(rows: QuerySet[Rollup], start: datetime, end: datetime, step: timedelta) -> list[Step]:
    """Return what `series` does, with how long attempts waited and ran, and what they used."""
    found = dict.fromkeys(_places(start, end, step), NOTHING)
    for group in rows.order_by().values("period").annotate(**_ALL):
        place = _place(group["period"], step)
        if place in found:
            found[place] += _summary(group)
    return [Step(_begin(place, step), each) for place, each in found.items()]


def trend_by_class(
    rows: QuerySet[Rollup], start: datetime, end: datetime, step: timedelta
) -> tuple[list[Step], dict[str, Summary]]:
    """Return the trend of a short time and its summary by class, in one query."""
    found = dict.fromkeys(_places(start, end, step), NOTHING)
    by_class: dict[str, Summary] = {}
    for group in rows.order_by().values("period", "job_class").annotate(**_ALL):
        told, name = _summary(group), group["job_class"]
        by_class[name] = by_class.get(name, NOTHING) + told
        place = _place(group["period"], step)
        if place in found:
            found[place] += told
    return [Step(_begin(place, step), each) for place, each in found.items()], by_class


def _places(start: datetime, end: datetime, step: timedelta) -> range:
    seconds = int(step.total_seconds())
    if seconds < Resolution.MINUTE:
        raise ValueError(f"a step of {step} is shorter than a minute, the finest that is kept")
    places = range(_place(start, step), math.ceil(end.timestamp() / seconds))
    if len(places) > MOST_POINTS:
        raise ValueError(f"{len(places)} points are too many: at most {MOST_POINTS}, so step wider")
    return places


def _place(moment: datetime, step: timedelta) -> int:
    return int(moment.timestamp()) // int(step.total_seconds())


def _begin(place: int, step: timedelta) -> datetime:
    return datetime.fromtimestamp(place * int(step.total_seconds()), UTC)


def usual(job_class: str) -> Usual:
    """Return how long attempts of a class ran in the last days; some seconds old, perhaps."""
    return _usual(job_class, int(time.monotonic()) // USUAL_KEPT)


@lru_cache(maxsize=1000)
def _usual(job_class: str, _: int) -> Usual:
    now = timezone.now()
    rows = between(now - LATELY, now, job_class=job_class)
    columns = {f"all_{name}": _ALL[f"all_{name}"] for name in (*RAN, "ran_max")}
    found = rows.aggregate(**columns)
    ran = _histogram(found, RAN, "ran_max")
    return Usual(ran.percentile(50), ran.percentile(95))


def summaries(
    rows: QuerySet[Rollup], by: Literal["job_class", "queue"], *, waits: bool = True
) -> dict[str, Summary]:
    """Return a summary of the rows of each class, or of each queue, by its name.

    Without `waits` it costs half, and nothing is known of how long they waited.
    """
    asked = _ALL if waits else _WITHOUT_WAITS
    return {
        group.pop(by): _summary(group) for group in rows.order_by(by).values(by).annotate(**asked)
    }


def summary(rows: QuerySet[Rollup]) -> Summary:
    """Return one summary of all rows."""
    return _summary(rows.aggregate(**_ALL))


_SECONDS = ("waited_seconds", "ran_seconds", "cpu_seconds")
_COLUMNS = (*COUNTED, *_SECONDS, *WAITED, *RAN)
_ALL: dict[str, Aggregate] = {f"all_{name}": Sum(name) for name in _COLUMNS}
_ALL |= {f"all_{name}": Max(name) for name in LARGEST}
_WITHOUT_WAITS = {name: sql for name, sql in _ALL.items() if not name.startswith("all_waited")}


def _summary(found: Mapping[str, Any]) -> Summary:
    return Summary(
        Counts(*(_number(found, name) for name in COUNTED)),
        _histogram(found, WAITED, "waited_max"),
        _histogram(found, RAN, "ran_max"),
        *(_number(found, name) for name in (*_SECONDS, "peak_rss")),
    )


def _histogram(found: Mapping[str, Any], columns: tuple[str, ...], longest: str) -> Histogram:
    counts = tuple(_number(found, name) for name in columns)
    return Histogram(counts, _number(found, longest))


def _number(found: Mapping[str, Any], name: str) -> Any:
    return found.get(f"all_{name}") or 0
