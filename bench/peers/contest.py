"""The same work for everybody: dispatch, drain, latency, each in an empty store."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from ..databases import Database, open_database
from ..effects import VARIABLE, Effects, span
from ..figures import percentile
from ..session import ROOT
from ..waiting import until_counted
from ..workers import Workers
from .contestants import Contestant
from .environments import python_of, version_of

FIRST = 100
"""Number of the first job whose latency is measured; those below have woken the worker up."""
GAP = 0.1
"""Seconds between two of them."""
PILOT, LONGEST = 200, 40_000
"""Jobs of the first look at the speed, and the most a drain has."""
PATIENCE = 30.0
"""Seconds without a job after which a run is given up."""


class Entry:
    """A contestant at one of its stores, ready to be measured."""

    def __init__(self, contestant: Contestant, store: str, *, quick: bool) -> None:
        self.contestant, self.store, self.quick = contestant, store, quick
        self.python = python_of(contestant)
        self.effects = Effects(f"peers-{os.getpid()}")
        self.jobs: dict[int, int] = {}
        """How many it drains in a run, by concurrency."""
        self.machine: dict[str, str] = {}
        """Its versions; empty until it is prepared."""
        self.database: Database | None = None
        if store != "redis":
            self.database = open_database(store)
        self.environment = self._environment()

    def __str__(self) -> str:
        return f"{self.contestant.name} ({self.store})"

    def prepare(self) -> None:
        """Have it make its schema, once; leave nothing behind where it cannot."""
        try:
            if self.database is None:
                self.reset()
            else:
                self.database.prepare(lambda: self.drive("setup"))
            self.machine = self.drive("about") | {"subject": version_of(self.contestant)}
        except Exception:
            self.remove()
            raise

    def reset(self) -> None:
        """Empty its store."""
        self.effects.empty()
        if self.database is None:
            self.drive("setup")
        else:
            self.database.reset()

    def remove(self) -> None:
        """Leave nothing behind."""
        self.effects.remove()
        if self.database is not None:
            self.database.remove()
        elif self.machine:
            self.drive("leave")

    def drive(self, *command: object) -> Any:
        """Have its driver do something, and return what came out of it."""
        done = subprocess.run(
            [self.python, "-m", "bench.peers.driver", *map(str, command)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(f"{self.contestant.name}: {command[0]}: {lines[-1]}")
        return json.loads(done.stdout.splitlines()[-1])

    def workers(self, concurrency: int) -> Workers:
        commands = self.drive("workers", concurrency)
        return Workers([[str(self.python), *one] for one in commands], self.environment, ROOT)

    def wait_for(self, effects: int) -> None:
        until_counted(self.effects.count, effects, PATIENCE)

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        own = {
            "PYTHONPATH": str(ROOT),
            "BENCH_PEER": self.contestant.adapter,
            VARIABLE: str(self.effects.path),
            **self.contestant.environment,
        }
        if self.contestant.settings:
            own["DJANGO_SETTINGS_MODULE"] = self.contestant.settings
        if self.database is not None:
            own["DATABASE_URL"] = self.database.url
        return inherited | own


def dispatch(entry: Entry) -> dict[str, float]:
    entry.reset()
    return {"dispatch": entry.drive("dispatch", 0.3 if entry.quick else 2.0)}


def dispatch_many(entry: Entry) -> dict[str, float]:
    entry.reset()
    rate = entry.drive("many", 1000 if entry.quick else 10_000)
    return {} if rate is None else {"dispatch-many": rate}


def drain(concurrency: int) -> Callable[[Entry], dict[str, float]]:
    """Return the work of draining; its first call chooses how many jobs take about six seconds."""

    def run(entry: Entry, count: int) -> float:
        entry.reset()
        entry.drive("fill", count)
        with entry.workers(concurrency):
            entry.wait_for(count)
        return (count - 1) / span(entry.effects.exactly(range(count)))

    def work(entry: Entry) -> dict[str, float]:
        if concurrency not in entry.jobs:
            rate = run(entry, PILOT)
            if rate > PILOT and not entry.quick:
                rate = run(entry, min(int(rate), LONGEST))
            seconds = 1.0 if entry.quick else 6.5
            entry.jobs[concurrency] = max(min(int(rate * seconds), LONGEST), PILOT)
        return {f"drain-warm-{concurrency}": run(entry, entry.jobs[concurrency])}

    return work


def latency(entry: Entry) -> dict[str, float]:
    count = 20 if entry.quick else 100
    entry.reset()
    entry.drive("fill", 1)
    with entry.workers(2):
        entry.wait_for(1)
        sent = entry.drive("latency", FIRST, count, GAP)
        entry.wait_for(count + 2)
    numbers = range(FIRST, FIRST + count)
    effects = entry.effects.exactly([0, 1, *numbers])
    waits = [1000 * (one.at - sent[one.number - FIRST]) for one in effects if one.number >= FIRST]
    return {
        "latency-p50": percentile(waits, 0.5),
        "latency-p95": percentile(waits, 0.95),
        "latency-max": max(waits),
    }


Work = Callable[[Entry], Mapping[str, float]]

WORK: dict[str, Work] = {
    "dispatch": dispatch,
    "dispatch-many": dispatch_many,
    "drain-warm-2": drain(2),
    "drain-warm-8": drain(8),
    "latency": latency,
}
