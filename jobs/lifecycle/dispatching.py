"""Storing new jobs."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from ..models import Job, Tag
from ..origins import Origin, here
from ..signals import job_dispatched
from .engines import Engine, alias_for, engine_for
from .records import JobSpec

TAGS_AT_ONCE = 1000
"""Rows of one statement."""


def dispatch(specs: Sequence[JobSpec], using: str | None = None) -> list[Job]:
    """Store jobs of one queue in the caller's transaction and return them in order, with stored values.

    They are `queued` where due by the database's clock, else `scheduled`. Workers are told when the
    transaction commits; where it rolls back, nothing has happened.
    """
    if not specs:
        return []
    engine = engine_for(alias_for(using, specs[0].queue))
    origin = here()
    if origin.parent_id is not None and engine.alias != alias_for():
        origin = origin._replace(parent_id=None)  # There the number is that of another job.
    tagged = any(spec.tags for spec in specs)
    jobs = _insert_tagged(engine, specs, origin) if tagged else engine.insert(specs, origin)
    if job_dispatched.has_listeners():
        for job in jobs:
            job_dispatched.send_robust(sender=job.job_class, job_id=job.pk)
    return jobs


def _insert_tagged(engine: Engine, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
    """Store jobs and their tags, all or none."""
    with transaction.atomic(using=engine.alias, savepoint=False):
        jobs = engine.insert(specs, origin)
        rows = []
        for job, spec in zip(jobs, specs, strict=True):
            job.tags = spec.tags
            rows += [Tag(job_id=job.pk, job_number=job.pk, name=name) for name in spec.tags]
        Tag.objects.using(engine.alias).bulk_create(rows, batch_size=TAGS_AT_ONCE)
    return jobs
