from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...lifecycle.leasing import is_served
from ..job_ids import find_job


class Command(BaseCommand):
    help = "Queue failed or cancelled jobs again, to run at once with a fresh budget of attempts."
    # The broken jobs module of some app must not keep a job from being stopped or run.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", nargs="+", help="the number of a job")

    def handle(self, *args: Any, **options: Any) -> None:
        refused, retried = 0, set()
        for job in [find_job(text) for text in options["job_id"]]:
            before = job.get_status_display().lower()
            if job.retry():
                retried.add(job.queue)
                self.stdout.write(f"Job {job.pk} ({job.job_class}) is queued.")
            else:
                refused += 1
                self.stderr.write(
                    f"Job {job.pk} is {before}: only a failed or cancelled job can be retried."
                )
        if any(not is_served(queue) for queue in retried):
            self.stdout.write(
                "No worker is running that could take it, so nothing happens yet: start one with "
                "`manage.py runworker`, or run the job here with `manage.py execute`."
            )
        if refused:
            raise CommandError(f"{refused} of {len(options['job_id'])} jobs were not retried")
