"""Asks for the pages over one database, for `python -m bench.pages`."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from .. import figures
from ..run import database_version
from . import asking, report
from .stores import Store, prepare


@dataclass(frozen=True)
class Plan:
    """What is to be asked of which database, and where the times go."""

    run: str
    store: Store
    asked: int
    only: tuple[str, ...]
    """How the groups of the pages begin; empty for all."""
    results: Path


def carry_out(plan: Plan) -> None:
    plan.store.create()
    os.environ["DATABASE_URL"] = plan.store.url
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    prepare(plan.store)
    take(plan)


def take(plan: Plan) -> list[asking.Taken]:
    """Ask for the pages of a plan, and store what each of them took."""
    from django.test import Client

    from .addresses import pages
    from .filters import Known
    from .living import settle, visitor

    settle()
    # Not "testserver": that is a name only tests of Django let in.
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    client.force_login(visitor())
    known, machine = Known.read(plan.store.jobs), figures.machine(database_version())
    chosen = [one for one in pages(known) if not plan.only or one.group.startswith(plan.only)]
    taken = []
    for page in chosen:
        shared: dict[str, Any] = {
            "run": plan.run,
            "store": plan.store.vendor,
            "jobs": plan.store.jobs,
        }
        told = asking.Taken(**shared, machine=machine, **asking.ask(client, page, plan.asked))
        asking.append(plan.results, [told])
        taken.append(told)
        words = f"{plan.store.vendor}: {page.group}, {page.what}: {told.p95:.0f} ms"
        print(f"{words}{'' if told.is_met else ' ' + report.MARK}", file=sys.stderr, flush=True)
    return taken
