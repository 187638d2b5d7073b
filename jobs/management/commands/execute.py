from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ...lifecycle.claiming import promote_one
from ...lifecycle.engines import engine_for
from ...models import Job
from ...registry import find
from ...states import PENDING, JobStatus
from ...worker.start import run_one
from ..job_ids import find_job
from ..readiness import check_ready


class Command(BaseCommand):
    help = "Run one waiting job now, in this terminal, recorded like any attempt."

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", help="the number of a job")

    def handle(self, *args: Any, **options: Any) -> None:
        check_ready(self.stderr)
        job = find_job(options["job_id"])
        self._refuse(job)
        if job.status != JobStatus.QUEUED:
            promote_one(engine_for(), job.pk)
        connections.close_all()  # The launcher can only be forked without one.
        run_one(job.pk)
        job.refresh_from_db()
        state = job.get_status_display().lower()
        if job.status != JobStatus.COMPLETED:
            why = f": {job.error_type}: {job.error_message}" if job.error_type else ""
            raise CommandError(f"Job {job.pk} is {state}{why}")
        self.stdout.write(f"Job {job.pk} ({job.job_class}) is {state}.")

    def _refuse(self, job: Job) -> None:
        state = job.get_status_display().lower()
        if find(job.job_class) is None:
            raise CommandError(
                f"no job class {job.job_class!r} is registered, so job {job.pk} cannot be run"
            )
        if job.status in PENDING:
            return
        advice = f"; `manage.py retry {job.pk}` queues it again" if job.can_retry else ""
        raise CommandError(f"job {job.pk} is {state}: only a waiting job can be executed{advice}")
