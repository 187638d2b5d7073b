"""Whether anything is wrong: queues that wait, failures, slow jobs, workers that are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from ..lifecycle.engines import engine_for
from ..models import Worker
from ..states import LIVE_WORKERS
from ..statistics import between, counts_each
from . import stats
from .pace import Pace, Run, paces_of_runs
from .queues import backlog
from .workers import Card

QUEUES_LOOKED_AT = 50
WORKERS_LOOKED_AT = 100
RUNNING_LOOKED_AT = 1_000
"""Running jobs whose pace is looked at: those dispatched first, which mostly run for longest."""
WAITS_LONG = timedelta(minutes=5)
OPEN_LONG = timedelta(minutes=10)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
TRIED_AT_LEAST = 20
"""Attempts of the last hour below which their failures say little."""
RATE_AT_LEAST, TIMES_BEFORE = 0.05, 2.0
"""The share of failures that is too many: at least so much, and so many times that of before."""
SLOW_AT_LEAST = 10.0
"""Seconds that a job has run before it counts as slow: to record that a quick one ended takes time, too."""
SLOW_RATE, TIMES_USUAL = 0.05, 3.0
"""Too many are slow if it is more than the share that is past p95 at any time, or one so far past it."""


@dataclass(frozen=True)
class Waiting:
    """A queue with due jobs, and since when the oldest waits."""

    queue: str
    waits: timedelta
    served: bool

    @property
    def is_bad(self) -> bool:
        return not self.served or self.waits > WAITS_LONG


@dataclass(frozen=True)
class Failures:
    """The failed share of the attempts of the last hour, and of the week before."""

    now: float | None
    before: float | None
    tried: int

    @property
    def is_bad(self) -> bool:
        limit = max(RATE_AT_LEAST, TIMES_BEFORE * (self.before or 0.0))
        return self.tried >= TRIED_AT_LEAST and (self.now or 0.0) > limit


class Running(NamedTuple):
    """A running job; without `started_at` it waits in its worker for a process."""

    job_id: int
    job_class: str
    started_at: datetime | None


@dataclass(frozen=True)
class Slow:
    """Running jobs that take longer than 95 % of the attempts of their class did of late."""

    jobs: Mapping[int, Pace]
    """By id, the smallest first."""
    known: int
    """Running jobs of whose class it is known how long they mostly run."""
    capped: bool
    """Whether there are running jobs that were not looked at."""

    @property
    def count(self) -> int:
        return len(self.jobs)

    @property
    def is_bad(self) -> bool:
        far = any(pace.elapsed > TIMES_USUAL * pace.p95 for pace in self.jobs.values())
        return far or self.count > SLOW_RATE * self.known

    @property
    def looked_at(self) -> int:
        """How many were looked at, where that was not all."""
        return RUNNING_LOOKED_AT

    @property
    def after(self) -> int:
        """The key after which the list of running jobs begins with the first of them."""
        return next(iter(self.jobs), 1) - 1


@dataclass(frozen=True)
class Attention:
    waiting: Sequence[Waiting]
    """The longest waiting first."""
    failures: Failures
    slow: Slow
    alive: int
    late: Sequence[Worker]
    """Live by their lease, but behind with their heartbeat."""
    missing: Sequence[Worker]
    """Their lease has run out, and nobody has rescued their jobs yet."""
    snapshot: timedelta | None
    """How long a transaction has kept the database from removing old versions of rows."""

    @property
    def bad_queues(self) -> list[Waiting]:
        return [one for one in self.waiting if one.is_bad]

    @property
    def is_needed(self) -> bool:
        bad = self.bad_queues or self.failures.is_bad or self.slow.is_bad
        return bool(bad or self.late or self.missing or self.is_held_up)

    @property
    def is_held_up(self) -> bool:
        return self.snapshot is not None and self.snapshot > OPEN_LONG


def look(now: datetime, queues: Sequence[str], running: Sequence[Running] = ()) -> Attention:
    """Read what may be wrong, in five queries; of the first QUEUES_LOOKED_AT of `queues`.

    `running` are the first of the running jobs, one more than RUNNING_LOOKED_AT if there are more.
    """
    cards = [Card(worker, now) for worker in _workers()]
    by_state = {
        state: [card.worker for card in cards if card.state == state] for state in ("late", "dead")
    }
    alive = [card.worker for card in cards if card.state != "dead"]
    return Attention(
        _waiting(now, queues, alive),
        _failures(now),
        _slow(now, running),
        len(alive),
        by_state["late"],
        by_state["dead"],
        engine_for().oldest_snapshot(),
    )


def _workers() -> list[Worker]:
    rows = Worker.objects.filter(status__in=LIVE_WORKERS)
    return list(rows.order_by("-lease_expires_at")[:WORKERS_LOOKED_AT])


def _waiting(now: datetime, queues: Sequence[str], alive: list[Worker]) -> list[Waiting]:
    # Workers enter names of queues. Where none has been yet, jobs may wait all the same.
    names = queues or engine_for().due_queues()
    found = [
        Waiting(name, max(now - one.oldest, timedelta(0)), stats.serving(alive, name))
        for name, one in backlog(names[:QUEUES_LOOKED_AT]).items()
        if one.oldest is not None
    ]
    return sorted(found, key=lambda one: one.waits, reverse=True)


def _failures(now: datetime) -> Failures:
    since, names = now - HOUR, ("completed", "failed", "retried")
    parts = (Q(period__lt=since), Q(period__gte=since))
    before, latest = counts_each(between(since - WEEK, now), *parts, names=names)
    tried = latest.completed + latest.failures
    return Failures(latest.failure_rate, before.failure_rate, tried)


def _slow(now: datetime, running: Sequence[Running]) -> Slow:
    runs = [
        Run(one.job_id, one.job_class, now - one.started_at)
        for one in running[:RUNNING_LOOKED_AT]
        if one.started_at is not None
    ]
    paces = paces_of_runs(runs)
    slow = {
        pk: pace for pk, pace in paces.items() if pace.is_slow and pace.elapsed >= SLOW_AT_LEAST
    }
    return Slow(slow, len(paces), len(running) > RUNNING_LOOKED_AT)
