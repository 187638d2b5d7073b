"""Sums of what has become of jobs: added to with every outcome, and merged as they age."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..histograms import bucket_of
from ..models import Resolution, Rollup
from ..models.rollups import LARGEST, RAN, WAITED
from ..states import JobStatus
from .engines import Engine
from .records import Outcome

COLUMN_OF = {
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.RETRYING: "retried",
    JobStatus.CANCELLED: "cancelled",
    JobStatus.QUEUED: "released",
    JobStatus.SCHEDULED: "released",
}
"""What an outcome counts as, by the status it left its job in."""
SUMS = (
    *("completed", "failed", "retried", "cancelled", "released"),
    *("waited_seconds", "ran_seconds", "cpu_seconds"),
)
MERGED_AT_ONCE = 500
"""Rows one call of `merge` takes."""


class _Writer(threading.local):
    """What tells the rows of this thread's connection from those of every other."""

    def __init__(self) -> None:
        self.shard = random.getrandbits(62) + 1


class Key(NamedTuple):
    """Which row a number is added to; in the order in which rows are locked."""

    resolution: int
    period: datetime
    job_class: str
    queue: str
    shard: int = 0


_writer = _Writer()


class Tally:
    """Adds up outcomes in memory, for `store` to write in the transaction that records them."""

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Any]] = {}

    def row(self, job_class: str, queue: str, at: datetime) -> dict[str, Any]:
        period = at.replace(second=0, microsecond=0)
        key = Key(Resolution.WRITER.value, period, job_class, queue, _writer.shard)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = _nothing()
        return row

    def add(self, one: Outcome, status: JobStatus) -> None:
        """Count an outcome that left its job in `status`, with how long it waited and ran."""
        row = self.row(one.job_class, one.queue, one.finished_at)
        row[COLUMN_OF[status]] += 1
        if one.started_at is not None:
            ran = (one.finished_at - one.started_at).total_seconds()
            _add_duration(row, "ran_seconds", "ran_max", RAN, ran)
            if one.due_at is not None:
                waited = (one.started_at - one.due_at).total_seconds()
                _add_duration(row, "waited_seconds", "waited_max", WAITED, waited)
        self.measure(one, row)

    def measure(self, one: Outcome, row: dict[str, Any] | None = None) -> None:
        """Add what an attempt used, where it has been counted before that was known."""
        if row is None:
            row = self.row(one.job_class, one.queue, one.finished_at)
        if one.cpu_seconds:
            row["cpu_seconds"] += one.cpu_seconds
        if one.peak_rss and one.peak_rss > row["peak_rss"]:
            row["peak_rss"] = one.peak_rss

    def store(self, engine: Engine) -> None:
        """Write what was added up, in the caller's transaction."""
        _add_up(engine, self.rows)


def count(engine: Engine, status: JobStatus, jobs: Iterable[tuple[str, str]], at: datetime) -> None:
    """Count jobs, each given as class and queue, that were moved to `status` without an attempt."""
    tally = Tally()
    for job_class, queue in jobs:
        tally.row(job_class, queue, at)[COLUMN_OF[status]] += 1
    tally.store(engine)


def _nothing() -> dict[str, Any]:
    return dict.fromkeys((*SUMS, *LARGEST), 0)


def _add_duration(
    row: dict[str, Any], total: str, longest: str, histogram: tuple[str, ...], seconds: float
) -> None:
    seconds = max(0.0, seconds)
    row[total] += seconds
    row[longest] = max(row[longest], seconds)
    column = histogram[bucket_of(seconds)]
    row[column] = row.get(column, 0) + 1


def _add_up(engine: Engine, rows: Mapping[Key, Mapping[str, Any]]) -> None:
    if not rows:
        return
    stored = engine.connection.ops.adapt_datetimefield_value
    # Everybody locks in this order, so that two who merge at the same time do not deadlock.
    engine.add_up(
        [{**key._asdict(), "period": stored(key.period), **rows[key]} for key in sorted(rows)]
    )


# -- merging ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Rows of `source` whose period began `age` ago are added to rows of `targets`, and deleted."""

    source: Resolution
    age: timedelta
    targets: tuple[Resolution, ...]


STEPS = (
    Step(Resolution.WRITER, timedelta(minutes=2), (Resolution.EVER, Resolution.MINUTE)),
    Step(Resolution.MINUTE, timedelta(hours=2), (Resolution.HOUR,)),
    Step(Resolution.HOUR, timedelta(days=14), (Resolution.DAY,)),
    Step(Resolution.DAY, timedelta(days=400), ()),
)
"""The life of a row. What is late goes the same way, since every step adds to what is there."""

FIRST_PERIOD = datetime(1970, 1, 1, tzinfo=UTC)


def period_of(moment: datetime, resolution: int) -> datetime:
    """Return the begin of the period of `resolution` that `moment` is in."""
    if resolution == Resolution.EVER:
        return FIRST_PERIOD
    seconds = max(resolution, Resolution.MINUTE)
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def merge(engine: Engine) -> int:
    """Carry out each step on some of the rows that are old enough. Returns on how many.

    Several workers may do so at once: each takes rows that no other has.
    """
    now = engine.now()
    return sum(_merge(engine, step, now - step.age) for step in STEPS)


def _merge(engine: Engine, step: Step, before: datetime) -> int:
    rollups = Rollup.objects.using(engine.alias)
    old = rollups.filter(resolution=step.source, period__lt=before).order_by("period")
    rows: Sequence[Mapping[str, Any]] = ()
    # Looking first: on SQLite every transaction waits for the other writers.
    if old.exists():
        with engine.giving_way():
            found = old.select_for_update(skip_locked=True).values()
            rows = list(found[:MERGED_AT_ONCE])
            _add_up(engine, _merged(rows, step.targets))
            rollups.filter(id__in=[row["id"] for row in rows]).delete()
    return len(rows)


def _merged(
    rows: Iterable[Mapping[str, Any]], targets: Iterable[Resolution]
) -> dict[Key, dict[str, Any]]:
    merged: dict[Key, dict[str, Any]] = {}
    for row in rows:
        for target in targets:
            period = period_of(row["period"], target)
            _into(merged, Key(target.value, period, row["job_class"], row["queue"]), row)
    return merged


def _into(merged: dict[Key, dict[str, Any]], key: Key, row: Mapping[str, Any]) -> None:
    sums = merged.setdefault(key, _nothing())
    for column in (*SUMS, *WAITED, *RAN):
        if row[column] is not None:
            sums[column] = sums.get(column, 0) + row[column]
    for column in LARGEST:
        sums[column] = max(sums[column], row[column])
