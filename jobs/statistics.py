"""Reading the rollups: totals, series over time, and how long jobs waited and ran.

Start with the rows of a time, and ask them:

    rows = between(now - timedelta(days=1), now)
    summaries(rows, "job_class")["shop.SendInvoice"].ran.percentile(95)

No function reads jobs or attempts. Times are aware; periods are those of UTC.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.db.models import (
    Aggregate,
    DateTimeField,
    F,
    FloatField,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
    Value,
)

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
WHOLE = (Resolution.EVER, Resolution.WRITER)
"""And in one row of these."""
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


def counts_each(
    rows: QuerySet[Rollup], *which: Q, names: tuple[str, ...] = COUNTED
) -> list[Counts]:
    """Add up the rows of each condition, in one query; of `names` only, the others are 0."""
    asked = {
        f"{name}_{place}": Sum(name, filter=when, default=0)
        for place, when in enumerate(which)
        for name in names
    }
    found = rows.aggregate(**asked)
    return [
        Counts(**{name: found[f"{name}_{place}"] for name in names}) for place in range(len(which))
    ]


def lifetime() -> Counts:
    """Return the counts of all jobs there ever were, pruned ones included."""
    return counts(Rollup.objects.filter(resolution__in=WHOLE))


def ever_by_class_and_queue(limit: int) -> dict[tuple[str, str], Summary]:
    """Return summaries of all there ever was, of the first `limit` classes and queues."""
    rows = Rollup.objects.filter(resolution__in=WHOLE)
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


def trend_and_classes(
    rows: QuerySet[Rollup], start: datetime, end: datetime, step: timedelta
) -> tuple[list[Step], dict[str, Summary]]:
    """Return what `series` does, with all else that is known, and a summary by class; in one query.

    Of the classes nothing is known of how long they waited: that would cost as much once more.
    """
    asked: Any = rows.order_by()
    unread = {name: Value(None, FloatField()) for name in _ALL.keys() - _WITHOUT_WAITS.keys()}
    by_period = asked.values(at=F("period"), name=Value("")).annotate(**_ALL)
    nowhen = Value(None, DateTimeField())
    by_class = asked.values(at=nowhen, name=F("job_class")).annotate(**{**_ALL, **unread})
    found, classes = dict.fromkeys(_places(start, end, step), NOTHING), {}
    for group in by_period.union(by_class, all=True):
        if group["at"] is None:
            classes[group["name"]] = _summary(group)
        elif (place := _place(group["at"], step)) in found:
            found[place] += _summary(group)
    return [Step(_begin(place, step), each) for place, each in found.items()], classes


def trend_by_class(
    rows: QuerySet[Rollup], start: datetime, end: datetime, step: timedelta
) -> tuple[list[Step], dict[str, Summary]]:
    """Return the same of a short time: by class and step at once, in one pass."""
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
