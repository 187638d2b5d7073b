"""The figures of a run as the end of a page, with where and on what they were measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import django

from .catalogue import ELSEWHERE, FAULTS
from .figures import Row

BEGIN = "<!-- From here on written by `make faults SCALE=1 FAULTS='--page docs/faults.md'`. -->"


def put_figures(page: Path, rows: Sequence[Row], scale: str) -> None:
    """Replace the end of a page, from its mark on, by the figures of a run."""
    kept, mark, _ = page.read_text(encoding="utf-8").partition(BEGIN)
    if not mark:
        raise ValueError(f"{page} has no line {BEGIN!r}")
    lines = [BEGIN, "", *circumstances(rows, scale), "", *table(rows)]
    page.write_text(kept + "\n".join(lines) + "\n", encoding="utf-8")


def amend_figures(page: Path, rows: Sequence[Row], scale: str) -> None:
    """Replace the figures of the faults in `rows` alone, and say beside each where they come from."""
    lines = page.read_text(encoding="utf-8").splitlines()
    told = "; ".join(line.removeprefix("- ") for line in circumstances(rows, scale))
    for number in sorted({row.number for row in rows}):
        begin = next(n for n, line in enumerate(lines) if line.startswith(f"| **{number}** |"))
        others = (n for n, line in enumerate(lines) if n > begin and not line.startswith("| |"))
        fresh = of_fault(number, [row for row in rows if row.number == number], told)
        lines[begin : next(others, len(lines))] = fresh
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def circumstances(rows: Iterable[Row], scale: str) -> list[str]:
    """Return what a reader has to know to compare these figures with others."""
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"- Commit {commit or 'unknown'}, at {scale} of the catalogue's times and rounds",
        f"- {os.cpu_count()} cores, {memory:.0f} GiB of memory, Linux {platform.release()}",
        f"- Python {platform.python_version()}, Django {django.__version__}, "
        + ", ".join(sorted({row.server for row in rows})),
    ]


def table(rows: Iterable[Row]) -> list[str]:
    """Return a table of all faults: a line for each test, with what it measured on each database."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.number].append(row)
    lines = ["| | Fault, and what is tested | Measured |", "|---|---|---|"]
    for number in FAULTS:
        lines += of_fault(number, found[number], ELSEWHERE.get(number, ""))
    return lines


def of_fault(number: int, rows: Iterable[Row], told: str) -> list[str]:
    """Return the lines of one fault; `told` stands beside its name."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.test].append(row)
    lines = [f"| **{number}** | **{FAULTS[number]}** | {told} |"]
    for test, of in sorted(found.items()):
        measured = "<br>".join(cell(row) for row in of)
        lines.append(f"| | {test.replace('_', ' ')} | {measured} |")
    return lines


def cell(row: Row) -> str:
    name = row.server.partition(" ")[0]
    state = "" if row.ok == "ok" else f"**{row.ok}** "
    return f"{name}: {state}{row.figure}".strip().replace("|", "\\|")
