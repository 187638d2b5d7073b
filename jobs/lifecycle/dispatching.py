"""Storing new jobs."""

from __future__ import annotations

from collections.abc import Sequence

from ..models import Job
from ..signals import job_dispatched
from .engines import alias_for, engine_for
from .records import JobSpec


def dispatch(specs: Sequence[JobSpec], using: str | None = None) -> list[Job]:
    """Store jobs of one queue in the caller's transaction and return them in order, with stored values.

    They are `queued` where due by the database's clock, else `scheduled`. Workers are told when the
    transaction commits; where it rolls back, nothing has happened.
    """
    if not specs:
        return []
    jobs = engine_for(alias_for(using, specs[0].queue)).insert(specs)
    if job_dispatched.has_listeners():
        for job in jobs:
            job_dispatched.send_robust(sender=job.job_class, job_id=job.pk)
    return jobs
