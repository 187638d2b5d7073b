"""The tables of docs/scaling.md, each from figures it takes itself."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from ..figures import number
from ..fixture import fill
from ..session import Session
from ..tables import markdown
from . import bouncer
from .claims import claim_p50
from .crew import Drained, drain

LAYOUTS = [(1, 2), (1, 8), (2, 4), (4, 2), (4, 8), (8, 8)]
"""Workers, and processes of each."""
DRAINED = ["jobs/s", "claims/s", "commits/s", "connections"]


def of_workers(session: Session, options: Namespace) -> str:
    """Drain the same backlog by more and more processes."""
    rows = []
    for workers, each in LAYOUTS:
        session.start_anew()
        found = drain(session, options.jobs, workers, each)
        rows.append([f"{workers} × {each}", *_cells(found)])
    return markdown(["workers × concurrency", *DRAINED], rows)


def of_others(session: Session, options: Namespace) -> str:
    """Drain it beside a transaction that never ends, and through PgBouncer."""
    session.start_anew()
    rows = [["nothing else", *_cells(drain(session, options.jobs, 2, 4))]]
    session.start_anew()
    with old_snapshot(session.database.url):
        rows.append(["a transaction that stays open", *_cells(drain(session, options.jobs, 2, 4))])
    if bouncer.is_there():
        session.start_anew()
        with bouncer.pgbouncer(session.database.url) as url:
            found = drain(session, options.jobs, 2, 4, url, LISTEN=0)
        rows.append(["PgBouncer in transaction mode, `LISTEN=0`", *_cells(found)])
    return markdown(["beside it", *DRAINED], rows)


def of_finished(session: Session, options: Namespace) -> str:
    """Claim and drain in a table with more and more finished jobs."""
    session.start_anew()
    rows, base, there = [], 0.0, 0
    for finished in options.finished:
        if finished > there:
            fill(finished - there)
            there = finished
        found = drain(session, options.jobs, 2, 4)
        taken = claim_p50()
        base = base or taken
        row = [f"{finished:,}", f"{taken:.2f} ms", f"{taken / base:.2f}", number(found.jobs)]
        rows.append(row)
    head = ["finished jobs", "claim of 32, p50", "against the first", "drain, jobs/s"]
    return markdown(head, rows)


TABLES: dict[str, Callable[[Session, Namespace], str]] = {
    "workers": of_workers,
    "others": of_others,
    "finished": of_finished,
}
"""Place in the document → what fills it."""


@contextmanager
def old_snapshot(url: str) -> Iterator[None]:
    """Keep a transaction open that has seen the database as it is now."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM jobs_job")
        yield


def _cells(found: Drained) -> list[str]:
    return [*map(number, (found.jobs, found.claims, found.commits)), str(found.connections)]
