"""Measures on one database, for `python -m bench`: a process has the settings of one only."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from . import figures
from .databases import Database, open_database
from .figures import Figure
from .workers import unwind_on_term


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and where the figures go."""

    run: str
    vendor: str
    names: tuple[str, ...]
    """Names of measures, or how they begin; empty for all."""
    runs: int
    quick: bool
    results: Path

    def chosen(self, measures: Iterable[str]) -> list[str]:
        """Return those to be taken, in their order. Raises SystemExit for a name that is none's."""
        known = list(measures)
        for name in self.names:
            if not any(f"{each}-".startswith(f"{name}-") for each in known):
                raise SystemExit(f"no measure is called {name!r}; there are {', '.join(known)}")
        begins = tuple(f"{name}-" for name in self.names)
        return [each for each in known if not begins or f"{each}-".startswith(begins)]


def measure_apart(plan: Plan) -> bool:
    """Carry a plan out in a process of its own. Returns whether every figure was got."""
    return apart(_run, plan) == 0


def apart(work: Callable[[Any], None], plan: object) -> int | None:
    """Do `work` in a process of its own: one has the settings of one database only. Returns its exit code."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(plan,))
    process.start()
    try:
        process.join()
    finally:
        process.terminate()
        process.join()
    return process.exitcode


def _run(plan: Plan) -> None:
    unwind_on_term()
    sys.exit(0 if measure(plan) else 1)


def measure(plan: Plan) -> bool:
    """Take the figures of the plan on a database of its own. Returns whether all of them were got."""
    database = open_database(plan.vendor)
    os.environ["DATABASE_URL"] = database.url
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    try:
        return _measure_on(database, plan)
    finally:
        django.db.connections.close_all()
        database.remove()


def _measure_on(database: Database, plan: Plan) -> bool:
    from django.core.management import call_command

    from .measures import MEASURES
    from .session import Session

    def migrate() -> None:
        call_command("migrate", verbosity=0)
        django.db.connections.close_all()

    names = plan.chosen(MEASURES)
    database.prepare(migrate)
    session = Session(database, quick=plan.quick)
    taken: list[Figure] = []
    try:
        for name in names:
            print(f"{plan.vendor}: {name} …", file=sys.stderr, flush=True)
            found = _repeat(name, MEASURES[name], session, plan)
            figures.append(plan.results, found)
            taken += found
        figures.append(plan.results, figures.comparisons(taken))
    finally:
        session.effects.remove()
    return not any(figure.error for figure in taken)


def _repeat(name: str, take: Any, session: Any, plan: Plan) -> list[Figure]:
    """Return the figures of one measure; one without values where a run of it failed."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    error = ""
    for _ in range(plan.runs):
        try:
            for figure, value in take(session).items():
                values[figure].append(value)
        except Exception as failure:
            notes = " ".join(getattr(failure, "__notes__", []))
            error = f"{type(failure).__name__}: {failure}"
            print(f"{plan.vendor}: {name} failed: {error}\n{notes}", file=sys.stderr)
            values = defaultdict(list, {name: []})
            break
    machine = figures.machine(database_version())
    shared: dict[str, Any] = {"run": plan.run, "subject": "jobs", "store": plan.vendor}
    return [
        Figure(**shared, name=each, values=got, error=error, quick=plan.quick, machine=machine)
        for each, got in values.items()
    ]


def database_version() -> str:
    """Return name and version of the database, and how durable its commits are."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT 'SQLite ' || sqlite_version() || ', WAL, synchronous=NORMAL'")
        elif connection.vendor == "mysql":
            cursor.execute(
                "SELECT concat(@@version_comment, ' ', @@version, "
                "', innodb_flush_log_at_trx_commit=', @@innodb_flush_log_at_trx_commit)"
            )
        else:
            cursor.execute(
                "SELECT 'PostgreSQL ' || current_setting('server_version')"
                " || ', fsync=' || current_setting('fsync')"
                " || ', synchronous_commit=' || current_setting('synchronous_commit')"
            )
        return str(cursor.fetchone()[0])
