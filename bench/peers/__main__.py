"""Measures this project and its peers side by side: `make bench-peers`, or `python -m bench.peers --help`."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from .. import figures, tables
from ..databases import postgresql_server
from ..figures import Figure
from ..session import ROOT
from ..workers import unwind_on_term
from .contest import WORK, Entry
from .contestants import BOTH, CONTESTANTS

STORES = (*BOTH, "redis")


def main() -> int:
    unwind_on_term()
    options = parser().parse_args()
    results = options.results or ROOT / "bench" / "results" / f"peers-{date.today()}.jsonl"
    if "postgresql" in options.store:
        postgresql_server()
    with ExitStack() as stack:
        found = contest(list(enter(options, stack)), options)
    if found:
        figures.append(results, found)
        print(tables.of_peers(found))
        print(f"\nAll of it: {results}", file=sys.stderr)
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--peer", nargs="+", choices=names, default=names)
    parser.add_argument("--store", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    parser.add_argument("--runs", type=int, default=0, help="of each work (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short run: does it work at all?")
    parser.add_argument("--results", type=Path, help="file to add to")
    return parser


def enter(options: argparse.Namespace, stack: ExitStack) -> Iterator[Entry]:
    """Yield those who can take part, to be removed by the stack; say why others cannot."""
    for contestant in CONTESTANTS:
        for store in contestant.stores:
            if contestant.name not in options.peer or store not in options.store:
                continue
            try:
                entry = Entry(contestant, store, quick=options.quick)
                entry.prepare()
            except Exception as error:
                print(f"{contestant.name} ({store}) is left out: {error}", file=sys.stderr)
            else:
                stack.callback(entry.remove)
                yield entry


def contest(entries: list[Entry], options: argparse.Namespace) -> list[Figure]:
    """Have all do each work in turn, round after round, so that a noisy minute meets everybody."""
    values: defaultdict[tuple[Entry, str], list[float]] = defaultdict(list)
    errors: dict[tuple[Entry, str], str] = {}
    for turn in range(options.runs or (1 if options.quick else 3)):
        for work in options.only:
            for entry in entries:
                if (entry, work) in errors:
                    continue
                print(f"{turn + 1}: {work}: {entry} …", file=sys.stderr, flush=True)
                try:
                    for name, value in WORK[work](entry).items():
                        values[entry, name].append(value)
                except Exception as error:
                    errors[entry, work] = f"{type(error).__name__}: {error}"
                    print(f"{errors[entry, work]}\n{_notes(error)}", file=sys.stderr)
    return figures_of(entries, values, errors, quick=options.quick)


def figures_of(
    entries: list[Entry],
    values: dict[tuple[Entry, str], list[float]],
    errors: dict[tuple[Entry, str], str],
    *,
    quick: bool,
) -> list[Figure]:
    run, found = uuid.uuid4().hex[:8], []
    for entry in entries:
        machine = figures.machine() | entry.machine
        taken = {name: got for (other, name), got in values.items() if other is entry}
        failed = {work: text for (other, work), text in errors.items() if other is entry}
        for name in dict.fromkeys([*taken, *failed]):
            found.append(
                Figure(
                    run=run,
                    subject=entry.contestant.name,
                    store=entry.store,
                    name=name,
                    values=taken.get(name, []),
                    error=failed.get(name, ""),
                    quick=quick,
                    machine=machine,
                )
            )
    return found


def _notes(error: Exception) -> str:
    return " ".join(getattr(error, "__notes__", []))


if __name__ == "__main__":
    sys.exit(main())
