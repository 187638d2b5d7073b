"""A worker that has nothing to do: how soon it starts a job, and what it takes meanwhile."""

from __future__ import annotations

import time

from ..figures import percentile
from ..jobs import Noop
from ..session import Session
from ..workers import Workers

GAP = 0.1
"""Seconds between two jobs whose latency is measured."""
FIRST = 100
"""Number of the first of them; those below have woken the worker up."""


def start_up(session: Session) -> dict[str, float]:
    """From the start of the command to the first line of a job that was waiting for it."""
    session.start_anew()
    Noop(number=0).dispatch()
    with session.worker() as worker:
        session.wait_for(1)
    (effect,) = session.effects.exactly([0])
    return {"start-up": effect.at - worker.started_at}


def latency(session: Session) -> dict[str, float]:
    """From just before dispatch() to the first line of the job, at a worker with nothing to do."""
    count = 20 if session.quick else 100
    session.start_anew()
    with session.worker() as worker:
        _settle(session, worker)
        sent = _dispatch_at_intervals(count)
        session.wait_for(count + 2)
    numbers = range(FIRST, FIRST + count)
    effects = session.effects.exactly([0, 1, *numbers])
    waits = [1000 * (one.at - sent[one.number]) for one in effects if one.number >= FIRST]
    return {
        "latency-p50": percentile(waits, 0.5),
        "latency-p95": percentile(waits, 0.95),
        "latency-max": max(waits),
    }


def idle(session: Session) -> dict[str, float]:
    """CPU time and memory of the whole tree of processes, after its first jobs."""
    seconds = 3.0 if session.quick else 30.0
    session.start_anew()
    with session.worker() as worker:
        _settle(session, worker)
        before, start = worker.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        used, taken = worker.cpu_seconds() - before, time.monotonic() - start
        return {"idle-cpu": 60 * used / taken, "idle-memory": worker.memory()}


def _settle(session: Session, worker: Workers) -> None:
    """Have the worker run two jobs, and let it come to rest."""
    for number in (0, 1):
        Noop(number=number).dispatch()
    session.wait_for(2)
    time.sleep(0.5 if session.quick else 2.0)


def _dispatch_at_intervals(count: int) -> dict[int, float]:
    """Return when each was dispatched, by its number."""
    sent, start = {}, time.monotonic()
    for number in range(FIRST, FIRST + count):
        time.sleep(max(start + GAP * (number - FIRST) - time.monotonic(), 0))
        sent[number] = time.monotonic()
        Noop(number=number).dispatch()
    return sent
