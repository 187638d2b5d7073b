"""How fast jobs are stored, by one process that does nothing else."""

from __future__ import annotations

import time

from ..jobs import Noop
from ..session import Session

WARM_UP = 50


def dispatch_one_by_one(session: Session) -> dict[str, float]:
    """Each job in a transaction of its own, for two seconds."""
    session.start_anew()
    for number in range(WARM_UP):
        Noop(number=number).dispatch()
    seconds, stored, start = (0.3 if session.quick else 2.0), 0, time.monotonic()
    while (taken := time.monotonic() - start) < seconds:
        Noop(number=stored).dispatch()
        stored += 1
    return {"dispatch": stored / taken}


def dispatch_many(session: Session) -> dict[str, float]:
    """All in one call, in the batches it makes by itself; the instances are made meanwhile."""
    session.start_anew()
    Noop.dispatch_many(Noop(number=number) for number in range(WARM_UP))
    count = 2000 if session.quick else 50_000
    start = time.monotonic()
    Noop.dispatch_many(Noop(number=number) for number in range(count))
    return {"dispatch-many": count / (time.monotonic() - start)}
