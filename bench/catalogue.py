"""Every figure: what it says, its unit, and what is to be reached. The tables follow this order."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    what: str
    unit: str
    more_is_better: bool = True
    sqlite: float | None = None
    """What is to be reached on SQLite; None where nothing is asked."""
    postgresql: float | None = None

    def target(self, vendor: str) -> float | None:
        return {"sqlite": self.sqlite, "postgresql": self.postgresql}.get(vendor)

    def is_met(self, vendor: str, value: float) -> bool | None:
        """Whether a value reaches the target; None where there is none."""
        target = self.target(vendor)
        if target is None:
            return None
        return value >= target if self.more_is_better else value <= target


def _rate(what: str, sqlite: float | None = None, postgresql: float | None = None) -> Entry:
    return Entry(what, "jobs/s", True, sqlite, postgresql)


def _cost(
    what: str, unit: str, sqlite: float | None = None, postgresql: float | None = None
) -> Entry:
    return Entry(what, unit, False, sqlite, postgresql)


FIGURES: dict[str, Entry] = {
    "dispatch": _rate("dispatch one by one", 3500, 1500),
    "dispatch-many": _rate("`dispatch_many`", None, 30_000),
    "drain-warm-2": _rate("drain, concurrency 2", None, 2000),
    "drain-warm-2-recorded": _rate("… until all are completed in the table"),
    "drain-warm-8": _rate("drain, concurrency 8", 6000, 3000),
    "drain-warm-8-recorded": _rate("… until all are completed in the table"),
    "drain-query-2": _rate("drain, concurrency 2, one ORM query a job", 1000, 1000),
    "drain-query-2-recorded": _rate("… until all are completed in the table"),
    "drain-query-8": _rate("drain, concurrency 8, one ORM query a job", 1000, 1000),
    "drain-query-8-recorded": _rate("… until all are completed in the table"),
    "drain-fresh-2": _rate("drain, a new process per job, concurrency 2", 300, 300),
    "drain-fresh-2-recorded": _rate("… until all are completed in the table"),
    "drain-fresh-8": _rate("drain, a new process per job, concurrency 8", 300, 300),
    "drain-fresh-8-recorded": _rate("… until all are completed in the table"),
    "drain-fresh-query-2": _rate("the same with one ORM query, concurrency 2", 150, 60),
    "drain-fresh-query-2-recorded": _rate("… until all are completed in the table"),
    "drain-fresh-query-8": _rate("the same with one ORM query, concurrency 8", 150, 60),
    "drain-fresh-query-8-recorded": _rate("… until all are completed in the table"),
    "fork-2": Entry("bare fork of a warm Django process, 2 at a time", "forks/s"),
    "fork-8": Entry("bare fork of a warm Django process, 8 at a time", "forks/s"),
    "fresh-to-fork-2": Entry(
        "new process per job against bare fork, 2 at a time", "%", True, 60, 60
    ),
    "fresh-to-fork-8": Entry(
        "new process per job against bare fork, 8 at a time", "%", True, 60, 60
    ),
    "latency-p50": _cost("dispatch to start, idle worker: p50", "ms", 5, 3),
    "latency-p95": _cost("dispatch to start, idle worker: p95", "ms", 12, 5),
    "latency-max": _cost("dispatch to start, idle worker: longest", "ms"),
    "idle-cpu": _cost("idle worker, concurrency 2: CPU", "s/min", 0.3, 0.3),
    "idle-memory": _cost("idle worker, concurrency 2: memory (PSS)", "MiB", 100, 100),
    "start-up": _cost("start-up to the first job", "s", 0.8, 0.8),
    "cpu": _cost("16 jobs of 1 s CPU, concurrency 2 (ideal 8 s)", "s", 8.2, 8.2),
    "cancel-p50": _cost("cancel to process tree gone: p50", "ms"),
    "cancel-p95": _cost("cancel to process tree gone: p95", "ms"),
    "recovery-p50": _cost("kill −9 of a worker until its job runs on another: p50", "s"),
    "recovery-max": _cost("kill −9 of a worker until its job runs on another: longest", "s"),
}
