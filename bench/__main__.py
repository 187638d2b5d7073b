"""Takes the figures of this project: `make bench`, or `python -m bench --help`."""

from __future__ import annotations

import argparse
import sys
import uuid
from datetime import date
from pathlib import Path

from . import figures, tables
from .databases import VENDORS, postgresql_server
from .run import Plan, measure_apart
from .session import ROOT
from .workers import unwind_on_term


def main() -> int:
    unwind_on_term()
    options = parser().parse_args()
    plans = [plan_of(options, vendor) for vendor in options.database]
    if "postgresql" in options.database:
        postgresql_server()
    complete = [measure_apart(plan) for plan in plans]
    if found := figures.read(plans[0].results, RUN):
        print(tables.of_run(found))
        print(f"\nAll of it: {plans[0].results}", file=sys.stderr)
    return 0 if all(complete) else 1


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,…",
        help="measures, or how their names begin: drain, latency, …",
    )
    parser.add_argument("--database", nargs="+", choices=VENDORS, default=list(VENDORS[:2]))
    parser.add_argument("--runs", type=int, default=0, help="of each measure (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one short run: does it work at all?")
    parser.add_argument("--results", type=Path, help="file to add to (default: bench/results/DATE)")
    return parser


def plan_of(options: argparse.Namespace, vendor: str) -> Plan:
    return Plan(
        run=RUN,
        vendor=vendor,
        names=tuple(options.only),
        runs=options.runs or (1 if options.quick else 3),
        quick=options.quick,
        results=options.results or ROOT / "bench" / "results" / f"{date.today()}.jsonl",
    )


RUN = uuid.uuid4().hex[:8]

if __name__ == "__main__":
    sys.exit(main())
