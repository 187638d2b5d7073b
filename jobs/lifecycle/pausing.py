"""Pausing queues: workers leave the due jobs of a paused one where they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from ..models import Queue
from .auditing import name_of, record
from .engines import Engine, engine_for
from .engines.base import ORDERS

LONGEST_REASON = 200


def pause(
    queue: str,
    reason: str = "",
    *,
    until: datetime | None = None,
    by: Any = None,
    using: str | None = None,
) -> bool:
    """Have no worker take jobs of `queue`, until it is resumed or `until` (aware) has come.

    What runs goes on; what a worker has claimed and not started it gives back. Workers that listen
    act at once, others within about a second. `by` is the user it is recorded for. Returns whether
    this call paused it: False means that it was paused already, or that `until` has passed.
    """
    engine = engine_for(using)
    return engine.insist(lambda: _pause(engine, queue, reason, until, by, engine.now()))


def resume(queue: str, *, by: Any = None, using: str | None = None) -> bool:
    """Have workers take jobs of `queue` again. Returns whether it was paused."""
    engine = engine_for(using)
    return engine.insist(lambda: _resume(engine, queue, by, engine.now()))


def paused_queues(engine: Engine) -> frozenset[str]:
    """Return the names of the queues that are paused by the database's clock."""
    return frozenset(
        Queue.objects.using(engine.alias).filter(_paused(Now())).values_list("name", flat=True)
    )


def _paused(now: Any) -> Q:
    return Q(paused_at__isnull=False) & (Q(paused_until=None) | Q(paused_until__gt=now))


def _pause(
    engine: Engine, queue: str, reason: str, until: datetime | None, by: Any, now: datetime
) -> bool:
    if until is not None and until <= now:
        return False
    queues = Queue.objects.using(engine.alias)
    queues.bulk_create([Queue(name=queue)], ignore_conflicts=True)
    moved = (
        queues.filter(name=queue)
        .exclude(_paused(now))
        .update(
            paused_at=now,
            paused_until=until,
            paused_by=name_of(by),
            pause_reason=reason[:LONGEST_REASON],
        )
    )
    if moved:
        record(engine, "pause", by, now, subject=queue, detail=reason)
        engine.notify([ORDERS])
    return bool(moved)


def _resume(engine: Engine, queue: str, by: Any, now: datetime) -> bool:
    paused = Queue.objects.using(engine.alias).filter(_paused(now), name=queue)
    moved = paused.update(paused_at=None, paused_until=None, paused_by="", pause_reason="")
    if moved:
        record(engine, "resume", by, now, subject=queue)
        engine.notify([ORDERS])
    return bool(moved)
