"""Whether anything is wrong: queues that wait, more failures than usual, workers that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..lifecycle.engines import engine_for
from ..models import Worker
from ..states import LIVE_WORKERS
from ..statistics import failure_counts
from . import stats
from .queues import backlog
from .workers import Card

QUEUES_LOOKED_AT = 50
WORKERS_LOOKED_AT = 100
WAITS_LONG = timedelta(minutes=5)
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
TRIED_AT_LEAST = 20
"""Attempts of the last hour below which their failures say little."""
RATE_AT_LEAST, TIMES_BEFORE = 0.05, 2.0
"""The share of failures that is too many: at least so much, and so many times that of before."""


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


@dataclass(frozen=True)
class Attention:
    waiting: Sequence[Waiting]
    """The longest waiting first."""
    failures: Failures
    alive: int
    late: Sequence[Worker]
    """Live by their lease, but behind with their heartbeat."""
    missing: Sequence[Worker]
    """Their lease has run out, and nobody has rescued their jobs yet."""

    @property
    def bad_queues(self) -> list[Waiting]:
        return [one for one in self.waiting if one.is_bad]

    @property
    def is_needed(self) -> bool:
        return bool(self.bad_queues or self.failures.is_bad or self.late or self.missing)


def look(now: datetime, queues: Sequence[str]) -> Attention:
    """Read what may be wrong, in three queries; of the first QUEUES_LOOKED_AT of `queues`."""
    cards = [Card(worker, now) for worker in _workers()]
    by_state = {
        state: [card.worker for card in cards if card.state == state] for state in ("late", "dead")
    }
    alive = [card.worker for card in cards if card.state != "dead"]
    return Attention(
        _waiting(now, queues, alive), _failures(now), len(alive), by_state["late"], by_state["dead"]
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
    before, latest = failure_counts(now - HOUR - WEEK, now - HOUR, now)
    tried = latest.completed + latest.failures
    return Failures(latest.failure_rate, before.failure_rate, tried)
