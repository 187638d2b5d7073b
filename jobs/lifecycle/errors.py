"""Groups of like errors: added to with every failed attempt, in the transaction that records it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..fingerprints import Likeness, likeness, others
from ..models import ErrorRollup, Resolution
from ..models.rollups import ERRORS
from .engines import Engine
from .rollups import Step, add_up, merge_step, shard

GROUPS_PER_CLASS = 50
"""Groups a class may have; what is new beyond them is counted in one more, without a name.

Writers do not wait for each other to look, so a few more may come about at the same time.
"""
STEPS = (
    Step(Resolution.WRITER, timedelta(minutes=2), (Resolution.EVER, Resolution.MINUTE)),
    Step(Resolution.MINUTE, timedelta(hours=2), (Resolution.HOUR,)),
    Step(Resolution.HOUR, timedelta(days=8), ()),
    Step(Resolution.EVER, timedelta(days=90), (), by="last_at"),
)
"""The life of a row; a group that was not seen for 90 days makes room for others."""


class Failure(NamedTuple):
    """One failed attempt, or one job that failed without."""

    like: Likeness
    job_id: int
    at: datetime


class ErrorTally:
    """Gathers failures in memory, for `store` to add up in the transaction that records them."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def add(self, job_class: str, error_type: str, message: str, job_id: int, at: datetime) -> str:
        """Count one failure. Returns the fingerprint of its group, which its job keeps."""
        like = likeness(job_class, error_type, message)
        self.failures.append(Failure(like, job_id, at))
        return like.fingerprint

    def store(self, engine: Engine) -> None:
        """Write what was gathered, in the caller's transaction: one row per group and minute."""
        if not self.failures:
            return
        known = _known(engine, {one.like.job_class for one in self.failures})
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for one in self.failures:
            row = _row(_admitted(one.like, known[one.like.job_class]), one)
            _into(rows.setdefault(tuple(row[name] for name in ERRORS.key), row), row)
        add_up(engine, ERRORS, rows)


def merge(engine: Engine) -> int:
    """Carry out each step on some of the rows that are old enough. Returns on how many."""
    now = engine.now()
    return sum(merge_step(engine, ErrorRollup, ERRORS, step, now) for step in STEPS)


def _known(engine: Engine, classes: Iterable[str]) -> dict[str, set[str]]:
    """Return class → the fingerprints of its groups."""
    kept = ErrorRollup.objects.using(engine.alias).filter(
        resolution__in=(Resolution.EVER, Resolution.WRITER), job_class__in=sorted(classes)
    )
    known: dict[str, set[str]] = defaultdict(set)
    for job_class, fingerprint in kept.values_list("job_class", "fingerprint").distinct():
        known[job_class].add(fingerprint)
    return known


def _admitted(like: Likeness, known: set[str]) -> Likeness:
    """Return the group to count in: its own, or that of all others where there are too many."""
    if like.fingerprint in known or len(known) < GROUPS_PER_CLASS:
        known.add(like.fingerprint)
        return like
    return others(like.job_class)


def _row(like: Likeness, one: Failure) -> dict[str, Any]:
    return {
        "resolution": Resolution.WRITER.value,
        "period": one.at.replace(second=0, microsecond=0),
        "fingerprint": like.fingerprint,
        "shard": shard(),
        **like._asdict(),
        "failures": 0,
        "first_at": one.at,
        "last_at": one.at,
        "last_job": one.job_id,
    }


def _into(sums: dict[str, Any], row: dict[str, Any]) -> None:
    sums["failures"] += 1
    sums["first_at"] = min(sums["first_at"], row["first_at"])
    for column in ERRORS.largest:
        sums[column] = max(sums[column], row[column])
