"""Asks every page over millions of finished jobs: `make bench-pages`, or `python -m bench.pages --help`.

The databases are kept for the next run. A mark stands where the 95th percentile is above 100 ms, or where
a page asks more than 12 queries.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from datetime import date
from pathlib import Path

from .. import tables
from ..run import apart
from . import asking, report
from .run import Plan, carry_out
from .stores import FOLDER, JOBS, VENDORS, Store


def main() -> int:
    options = parser().parse_args()
    run = uuid.uuid4().hex[:8]
    results = options.results or FOLDER / f"pages-{date.today()}.jsonl"
    for vendor in [] if options.again else options.database:
        store = Store(vendor, options.jobs, options.folder)
        apart(carry_out, Plan(run, store, options.asked, tuple(options.only), results))
    if found := asking.read(results, "" if options.again else run):
        print(report.printed(found))
        if options.write:
            tables.write("pages", report.published(found))
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--database", nargs="+", choices=VENDORS, default=list(VENDORS[:2]))
    parser.add_argument(
        "--jobs", type=int, default=JOBS, help="finished ones (default: %(default)s)"
    )
    parser.add_argument("--asked", type=int, default=asking.ASKED, help="how often each page is")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="GROUP,…",
        help="pages, by how their names begin: Jobs, Logs, Admin, …",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the databases of SQLite")
    parser.add_argument("--results", type=Path, help="file to add to (default: bench/results/DATE)")
    parser.add_argument("--again", action="store_true", help="only print the last run of that file")
    parser.add_argument("--write", action="store_true", help=f"into {tables.DOCUMENT.name}, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
