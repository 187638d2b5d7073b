"""Figures: medians of runs, written as a line of JSON each, with all that is needed to judge them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import django
import psutil

from .session import ROOT

FRESH = {
    "fresh-to-fork-2": ("drain-fresh-2", "fork-2"),
    "fresh-to-fork-8": ("drain-fresh-8", "fork-8"),
}
"""Figure → the two of the same run whose medians it compares."""


@dataclass(kw_only=True)
class Figure:
    """One figure of one run of the benchmarks; `error` says why there are no values."""

    run: str
    subject: str
    """Who was measured: `jobs`, or the name of a peer."""
    store: str
    name: str
    values: list[float]
    error: str = ""
    quick: bool = False
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def shown(self) -> str:
        """Return `median [min–max]`, or `failed` where any of its runs did."""
        if self.error or not self.values:
            return "failed" if self.error else "–"
        ends = f"{number(min(self.values))}–{number(max(self.values))}"
        return f"{number(self.median)} [{ends}]" if len(self.values) > 1 else number(self.median)


def number(value: float) -> str:
    """Return a number with about three digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of them does not exceed."""
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def append(path: Path, figures: Iterable[Figure]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for figure in figures:
            extra = {"median": figure.median} if figure.values else {}
            file.write(json.dumps({**asdict(figure), **extra}, ensure_ascii=False) + "\n")


def read(path: Path, run: str = "") -> list[Figure]:
    """Return the figures of one run of a results file; of its last one if none is named."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    for row in rows:
        row.pop("median", None)
    wanted = run or (rows[-1]["run"] if rows else "")
    return [Figure(**row) for row in rows if row["run"] == wanted]


def comparisons(figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures that compare two others of the same run, in percent."""
    found = []
    for store in dict.fromkeys(figure.store for figure in figures):
        here = {
            figure.name: figure for figure in figures if figure.store == store and figure.values
        }
        for name, (above, below) in FRESH.items():
            if above in here and below in here:
                share = 100 * here[above].median / here[below].median
                found.append(replace(here[above], name=name, values=[share]))
    return found


def machine(database: str = "") -> dict[str, Any]:
    """Return what a reader has to know to judge a figure taken now."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": database,
        "commit": commit(),
    }


def commit() -> str:
    """Return the commit that was measured, with `+` where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "jobs", "bench"], capture_output=True, text=True
    )
    return (found.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
