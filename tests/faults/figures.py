"""What the tests of the catalogue measured, collected from their reports into one table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from .catalogue import ELSEWHERE, FAULTS

NUMBER = re.compile(r"tests/faults/.*::test_(\d\d)_(\w+)")
FIGURE = "figure"


@dataclass
class Row:
    number: int
    test: str
    database: str
    figure: str
    ok: str
    server: str = ""
    """The database with its version."""


def row_of(report: Any, database: str, server: str) -> Row | None:
    """Return the row of one test's report; None where it is no fault's."""
    found = NUMBER.search(report.nodeid)
    if found is None or (report.when != "call" and report.outcome == "passed"):
        return None
    figures = [str(value) for name, value in report.user_properties if name == FIGURE]
    ok = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[report.outcome]
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        figures = [report.longrepr[2].removeprefix("Skipped: ")]
    return Row(int(found[1]), found[2], database, ", ".join(figures), ok, server)


def p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def save(rows: Iterable[Row], path: Path) -> None:
    with path.open("a") as file:
        for row in rows:
            file.write(json.dumps(asdict(row)) + "\n")


def load(path: Path) -> list[Row]:
    return [Row(**json.loads(line)) for line in path.read_text().splitlines()]


def table(rows: Iterable[Row]) -> list[str]:
    """Return the lines of a table of all faults, those tested elsewhere or nowhere included."""
    of_number: dict[int, list[Row]] = {number: [] for number in FAULTS}
    for row in rows:
        of_number[row.number].append(row)
    lines = []
    for number, title in FAULTS.items():
        tested = of_number[number] or [Row(number, "", "", ELSEWHERE.get(number, ""), "not run")]
        lines += [_line(row, title) for row in sorted(tested, key=lambda one: one.test)]
    return lines


def _line(row: Row, title: str) -> str:
    return f"{row.number:2}  {title:45} {row.database:11}{row.ok:8} {row.figure}"
