"""Writes tables from a file of results: `python -m bench.tables bench/results/DATE.jsonl [--write]`.

With `--write` they take the place of the ones in docs/performance.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import figures
from .catalogue import FIGURES
from .figures import Figure, number

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
OURS = "jobs"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Results:
    """The figures of one run, to be looked up; a measure that failed stands for each of its figures."""

    def __init__(self, found: Sequence[Figure]) -> None:
        self.found = found
        self.by_key = {(one.subject, one.store, one.name): one for one in found}
        self.failed = [one for one in found if one.error]

    def get(self, subject: str, store: str, name: str) -> Figure | None:
        failed = [
            one
            for one in self.failed
            if (one.subject, one.store) == (subject, store)
            and f"{name}-".startswith(f"{one.name}-")
        ]
        return failed[0] if failed else self.by_key.get((subject, store, name))

    def names(self) -> list[str]:
        """Return the names of what was measured, in the order of the catalogue."""
        taken = {figure.name for figure in self.found}
        return [
            name
            for name in FIGURES
            if name in taken or any(name.startswith(f"{one.name}-") for one in self.failed)
        ]

    def failures(self) -> str:
        """Return a line for each measure that failed."""
        return "".join(
            f"\n\nFailed: {one.subject} on {one.store}, {one.name}: {one.error}"
            for one in self.failed
        )


def of_run(found: Sequence[Figure]) -> str:
    """Return the table of a run of `make bench`, targets beside what was measured."""
    results = Results(found)
    stores = list(dict.fromkeys(figure.store for figure in found))
    head = ["", "unit"] + [text for store in stores for text in (store, "target")]
    rows = []
    for name in results.names():
        row = [FIGURES[name].what, FIGURES[name].unit]
        for store in stores:
            figure = results.get(OURS, store, name)
            row += [figure.shown() if figure else "–", _target(name, store, figure)]
        rows.append(row)
    return f"{_taken(found)}\n\n{markdown(head, rows)}{results.failures()}"


def _target(name: str, store: str, figure: Figure | None) -> str:
    entry = FIGURES[name]
    target = entry.target(store)
    if target is None:
        return ""
    sign = "≥" if entry.more_is_better else "≤"
    met = entry.is_met(store, figure.median) if figure and figure.values else None
    return f"{sign} {number(target)}" + {True: " ✓", False: " ✗", None: ""}[met]


def _taken(found: Sequence[Figure]) -> str:
    """Return a sentence on when, where and with what the figures were taken."""
    machine = next((figure.machine for figure in found if figure.machine), {})
    loads = [float(figure.machine["load"]) for figure in found if figure.machine]
    load = f"; load {min(loads)}–{max(loads)}" if loads else ""
    quick = " **Short runs: no more than a sign of life.**" if any(f.quick for f in found) else ""
    return (
        f"{machine.get('at')}, commit {machine.get('commit')}: {machine.get('cpu')}, "
        f"{machine.get('cores')} cores, {machine.get('memory_gib')} GiB, {machine.get('system')}; "
        f"Python {machine.get('python')}, {_versions(found)}{load}. "
        f"Median [smallest–largest] of {max((len(f.values) for f in found), default=0)}.{quick}"
    )


def _versions(found: Sequence[Figure]) -> str:
    """Return what was measured, and the databases it was measured on."""
    machines = [figure.machine for figure in found if figure.machine]
    subjects = [str(one.get("subject") or f"Django {one['django']}") for one in machines]
    return "; ".join(dict.fromkeys([*subjects, *(str(one["database"]) for one in machines)]))


def of_peers(found: Sequence[Figure]) -> str:
    """Return the table of a run of `make bench-peers`; ours first, and how it stands to the others."""
    results = Results(found)
    names = results.names()
    subjects = dict.fromkeys((figure.subject, figure.store) for figure in found)
    head = ["", "store", *(f"{FIGURES[name].what} ({FIGURES[name].unit})" for name in names)]
    rows = []
    for subject, store in sorted(subjects, key=lambda subject: subject[1] == "sqlite"):
        row = [subject, store]
        for name in names:
            figure = results.get(subject, store, name)
            # Brokers are seen against ours on PostgreSQL.
            rival = results.get(OURS, store if store == "sqlite" else "postgresql", name)
            row.append(_against_ours(figure, None if subject.startswith(OURS) else rival))
        rows.append(row)
    return f"{_taken(found)}\n\n{markdown(head, rows)}{results.failures()}"


def _against_ours(figure: Figure | None, ours: Figure | None) -> str:
    """Return a cell: the figure, and how many times as good as it ours is."""
    if figure is None:
        return "–"
    if not (ours and ours.values and figure.values):
        return figure.shown()
    ratio = ours.median / figure.median
    if not FIGURES[figure.name].more_is_better:
        ratio = 1 / ratio
    return f"{figure.shown()}, ours ×{number(ratio)}"


def write(kind: str, table: str, document: Path = DOCUMENT) -> None:
    """Put a table between its two marks in the document. Raises SystemExit where it has none."""
    first, last = f"<!-- {kind} -->", f"<!-- end of {kind} -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise SystemExit(f"{document} has no {first} … {last}")
    document.write_text(f"{before}{first}\n{table}\n{last}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tables", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--run", default="", help="its id (default: the last one in the file)")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT.name}")
    options = parser.parse_args()
    found = figures.read(options.results, options.run)
    is_peers = any(not figure.subject.startswith(OURS) for figure in found)
    table = of_peers(found) if is_peers else of_run(found)
    if options.write:
        write("peers" if is_peers else "figures", table)
    else:
        print(table)


if __name__ == "__main__":
    main()
