from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...states import JobStatus
from ..job_ids import find_job


class Command(BaseCommand):
    help = "Cancel jobs: one that waits at once, one that runs by stopping its processes."
    # The broken jobs module of some app must not keep a job from being stopped or run.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", nargs="+", help="the number of a job")

    def handle(self, *args: Any, **options: Any) -> None:
        refused = 0
        for job in [find_job(text) for text in options["job_id"]]:
            if job.cancel():
                running = job.status == JobStatus.RUNNING
                what = "is being stopped" if running else "is cancelled"
                self.stdout.write(f"Job {job.pk} ({job.job_class}) {what}.")
            else:
                refused += 1
                state = "being stopped already" if job.is_cancelling else "finished"
                self.stderr.write(
                    f"Job {job.pk} is {state} ({job.get_status_display().lower()}): "
                    "there is nothing to cancel."
                )
        if refused:
            raise CommandError(f"{refused} of {len(options['job_id'])} jobs were not cancelled")
