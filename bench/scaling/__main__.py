"""What one PostgreSQL carries, for docs/scaling.md: `python -m bench.scaling [--write]`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import django

from ..databases import open_database
from ..figures import machine
from ..tables import write
from ..workers import unwind_on_term

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"


def main() -> None:
    unwind_on_term()
    options = parser().parse_args()
    database = open_database("postgresql")
    os.environ["DATABASE_URL"] = database.url
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    from ..session import Session
    from . import tables

    try:
        database.prepare(migrate)
        session = Session(database, quick=False)
        show("machine", taken(), write_it=options.write)
        for place, take in tables.TABLES.items():
            print(f"{place} …", file=sys.stderr, flush=True)
            show(place, take(session, options), write_it=options.write)
        session.effects.remove()
    finally:
        django.db.connections.close_all()
        database.remove()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="of each drain (default: 20,000)")
    parser.add_argument(
        "--finished",
        type=lambda text: [int(each) for each in text.split(",")],
        default=[0, 1_000_000, 5_000_000],
        metavar="N,…",
        help="finished jobs in the table, from few to many (default: 0,1000000,5000000)",
    )
    parser.add_argument("--write", action="store_true", help=f"the tables into {DOCUMENT.name}")
    return parser


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    django.db.connections.close_all()


def show(place: str, text: str, *, write_it: bool) -> None:
    print(f"\n{text}", flush=True)
    if write_it:
        write(place, text, DOCUMENT)


def taken() -> str:
    found = machine()
    return (
        f"{found['at']}, commit {found['commit']}: {found['cpu']}, {found['cores']} cores, "
        f"{found['memory_gib']} GiB, {found['system']}; Python {found['python']}, Django "
        f"{found['django']}; PostgreSQL with fsync and synchronous_commit on; load "
        f"{found['load']}. One run of each."
    )


if __name__ == "__main__":
    main()
