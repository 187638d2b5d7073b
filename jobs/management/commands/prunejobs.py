from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from ...conf import PREFIX
from ...lifecycle import retention
from ...lifecycle.engines import engine_for
from ...lifecycle.retention import Retention
from ...states import JobStatus

MOST_DAYS = 36_500


def days(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST_DAYS:
        raise ArgumentTypeError(
            f"{text!r} is not a number of days above 0 and up to {MOST_DAYS}, such as 14 or 0.5"
        )
    return number


class Command(BaseCommand):
    help = (
        "Delete finished jobs, with their attempts and output, that have been kept for long enough. "
        "Workers do so all the time; by hand it takes all that is old, or what the options say."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for kind, setting in (("completed", "KEEP_COMPLETED"), ("failed", "KEEP_FAILED")):
            also = " or cancelled" if kind == "failed" else ""
            parser.add_argument(
                f"--{kind}-before",
                type=days,
                metavar="DAYS",
                help=f"delete jobs {kind}{also} more days ago (default: {PREFIX}{setting})",
            )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        kept = Retention.of_settings()
        kept = Retention(
            options["completed_before"] or kept.completed, options["failed_before"] or kept.failed
        )
        if options["dry_run"]:
            done, workers = retention.prunable(engine_for(), kept), 0
        else:
            done, workers = prune_all(kept)
        verb = "would be deleted" if options["dry_run"] else "deleted"
        self.tell("completed", done[JobStatus.COMPLETED], kept.completed, verb)
        failed = done[JobStatus.FAILED] + done[JobStatus.CANCELLED]
        self.tell("failed or cancelled", failed, kept.failed, verb)
        if workers:
            self.stdout.write(f"Workers of which nothing is left: {workers} deleted.")

    def tell(self, how: str, count: int, kept: float | None, verb: str) -> None:
        if kept:
            what = f"Jobs {how} more than {kept:g} days ago: {count} {verb}."
        else:
            what = f"{how.capitalize()} jobs are kept for ever, as the settings say."
        self.stdout.write(what)


def prune_all(kept: Retention) -> tuple[Counter[JobStatus], int]:
    """Delete all that is old, batch by batch. Returns status → jobs, and how many workers."""
    engine, done = engine_for(), Counter[JobStatus]()
    try:
        while (some := retention.prune(engine, kept)).total():
            done += some
    except IntegrityError as error:
        raise CommandError(
            f"{done.total()} jobs were deleted; then something that refers to a job forbade it: "
            f"{error.args[0]}"
        ) from None
    return done, retention.prune_workers(engine)
