"""Sums of what has become of jobs: added to with every outcome, and merged as they age."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..histograms import bucket_of
from ..models import ErrorRollup, Resolution, Rollup
from ..models.rollups import LARGEST, RAN, SUMS, WAITED, Shape
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
SUMMED = (
    *("completed", "failed", "retried", "cancelled", "released"),
    *("waited_seconds", "ran_seconds", "cpu_seconds"),
)
MERGED_AT_ONCE = 500
"""Rows one step of a merge takes."""


class _Writer(threading.local):
    """What tells the rows of this thread's connection from those of every other."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Become another writer: a forked process begins as the one it was forked from."""
        self.shard = random.getrandbits(62) + 1


class Key(NamedTuple):
    """Which row a number is added to; in the order in which rows are locked."""

    resolution: int
    period: datetime
    job_class: str
    queue: str
    shard: int = 0


_writer = _Writer()
os.register_at_fork(after_in_child=_writer.renew)  # After that of `random`, which draws anew, too.


def shard() -> int:
    """Return the number that tells the rows of this writer from those of every other."""
    return _writer.shard


class Tally:
    """Adds up outcomes in memory, for `store` to write in the transaction that records them."""

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Any]] = {}

    def row(self, job_class: str, queue: str, at: datetime) -> dict[str, Any]:
        period = at.replace(second=0, microsecond=0)
        key = Key(Resolution.WRITER.value, period, job_class, queue, shard())
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
        if self.rows:
            add_up(engine, SUMS, {key: key._asdict() | row for key, row in self.rows.items()})


def count(engine: Engine, status: JobStatus, jobs: Iterable[tuple[str, str]], at: datetime) -> None:
    """Count jobs, each given as class and queue, that were moved to `status` without an attempt."""
    tally = Tally()
    for job_class, queue in jobs:
        tally.row(job_class, queue, at)[COLUMN_OF[status]] += 1
    tally.store(engine)


def _nothing() -> dict[str, Any]:
    return dict.fromkeys((*SUMMED, *LARGEST), 0)


def _add_duration(
    row: dict[str, Any], total: str, longest: str, histogram: tuple[str, ...], seconds: float
) -> None:
    seconds = max(0.0, seconds)
    row[total] += seconds
    row[longest] = max(row[longest], seconds)
    column = histogram[bucket_of(seconds)]
    row[column] = row.get(column, 0) + 1


def add_up(engine: Engine, shape: Shape, rows: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> None:
    """Add rows, each under the values of its key, to those that are stored."""
    # Everybody locks in this order, so that two who merge at the same time do not deadlock.
    engine.add_up(shape, [_stored(engine, rows[key]) for key in sorted(rows)])


def _stored(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
    adapt = engine.connection.ops.adapt_datetimefield_value
    return {
        name: adapt(value) if isinstance(value, datetime) else value for name, value in row.items()
    }


# -- merging ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Rows of `source` whose period began `age` ago are added to rows of `targets`, and deleted."""

    source: Resolution
    age: timedelta
    targets: tuple[Resolution, ...]
    by: str = "period"
    """The column that tells the age."""


STEPS = (
    Step(Resolution.WRITER, timedelta(minutes=2), (Resolution.EVER, Resolution.MINUTE)),
    Step(Resolution.MINUTE, timedelta(hours=2), (Resolution.TEN_MINUTES,)),
    Step(Resolution.TEN_MINUTES, timedelta(hours=26), (Resolution.HOUR,)),
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
    return sum(merge_step(engine, Rollup, SUMS, step, now) for step in STEPS)


def merge_step(
    engine: Engine, model: type[Rollup | ErrorRollup], shape: Shape, step: Step, now: datetime
) -> int:
    """Carry out one step on some rows of a table. Returns on how many."""
    rollups = model._default_manager.using(engine.alias)
    limits = {"resolution": step.source, f"{step.by}__lt": now - step.age}
    old = rollups.filter(**limits).order_by(step.by)
    rows: Sequence[Mapping[str, Any]] = ()
    # Looking first: on SQLite every transaction waits for the other writers.
    if old.exists():
        with engine.giving_way():
            found = old.select_for_update(skip_locked=True).values()
            rows = list(found[:MERGED_AT_ONCE])
            add_up(engine, shape, _merged(shape, rows, step.targets))
            rollups.filter(id__in=[row["id"] for row in rows]).delete()
    return len(rows)


def _merged(
    shape: Shape, rows: Iterable[Mapping[str, Any]], targets: Iterable[Resolution]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        for target in targets:
            moved = {name: value for name, value in row.items() if name != "id"}
            moved["resolution"], moved["shard"] = target.value, 0
            moved["period"] = period_of(row["period"], target)
            _into(shape, merged.setdefault(tuple(moved[name] for name in shape.key), {}), moved)
    return merged


def _into(shape: Shape, sums: dict[str, Any], row: Mapping[str, Any]) -> None:
    for column, value in row.items():
        if column in (*shape.key, *shape.fixed) or (value is not None and column not in sums):
            sums[column] = value
        elif column in shape.largest:
            sums[column] = max(sums[column], value)
        elif column in shape.smallest:
            sums[column] = min(sums[column], value)
        elif value is not None:
            sums[column] += value
