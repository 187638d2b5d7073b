from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from ...health import Examination
from ...lifecycle.engines import alias_for
from ...worker.connections import patient_connection
from ...worker.processes import host_id
from .runworker import names

CHECKS = ("database", "worker", "due")


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0, such as 300")
    return number


def check(text: str) -> str:
    if text not in CHECKS:
        raise ArgumentTypeError(f"{text!r} is not a check: expected {', '.join(CHECKS)}")
    return text


class Command(BaseCommand):
    help = (
        "Tell whether jobs get done: exit code 0 if all is well, 1 if not. Checks that the database "
        "answers, that a worker lives, and that no due job has been waiting for too long."
    )
    # A probe is run every few seconds, and says itself what is wrong with the database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "checks",
            nargs="*",
            type=check,
            default=CHECKS,
            metavar="CHECK",
            help="database, worker, due (default: all); the database is always looked at",
        )
        parser.add_argument(
            "--max-age",
            type=seconds,
            default=300.0,
            metavar="SECONDS",
            help="how long a due job may wait (default: 300)",
        )
        parser.add_argument(
            "--queues", type=names, default=[], metavar="A,B", help="look at these queues only"
        )
        parser.add_argument(
            "--here", action="store_true", help="only a worker of this machine or container counts"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        patient_connection(alias_for())
        here = host_id() if options["here"] else None
        found = Examination(
            options["checks"], options["queues"], options["max_age"], here
        ).findings()
        healthy = all(finding.ok for finding in found)
        if options["json"]:
            checks = [asdict(finding) for finding in found]
            self.stdout.write(json.dumps({"healthy": healthy, "checks": checks}))
        else:
            for finding in found:
                state = "ok" if finding.ok else "FAILED"
                self.stdout.write(f"{state:<6}  {finding.check:<8}  {finding.text}")
        if not healthy:
            sys.exit(1)
