from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...options import LONGEST_QUEUE
from ...worker.start import run_worker
from ..readiness import check_ready


def names(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",")]
    if not all(0 < len(name) <= LONGEST_QUEUE and name.isprintable() for name in found):
        raise ArgumentTypeError(f"{text!r} is not a list of queue names such as mail,default")
    return found


def at_least_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


class Command(BaseCommand):
    help = "Run the jobs that are due, each in a process of its own, until told to stop."
    # Those of the databases would open connections, with which the launcher cannot be forked.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queues", type=names, default=[], metavar="A,B", help="queues to serve (default: all)"
        )
        parser.add_argument(
            "--concurrency",
            type=at_least_one,
            default=os.cpu_count() or 1,
            metavar="N",
            help="jobs at a time (default: the number of CPUs)",
        )
        parser.add_argument(
            "--burst", action="store_true", help="leave as soon as nothing is due any more"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check_ready(self.stderr)
        queues, concurrency = options["queues"], options["concurrency"]
        served = ", ".join(queues) if queues else "all"
        self.stderr.write(
            f"Worker {os.getpid()} runs up to {concurrency} jobs at a time; queues: {served}. "
            "Stop it with Ctrl-C."
        )
        if not run_worker(queues, concurrency, burst=options["burst"]):
            raise CommandError("the worker has stopped after an error, see above")
