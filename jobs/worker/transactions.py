"""In a child: recording an attempt's success in the same transaction as the job's own writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from ..exceptions import AttemptSuperseded
from ..lifecycle.engines import engine_for
from ..lifecycle.records import Outcome
from ..lifecycle.rollups import Tally
from ..models import Attempt
from ..states import AttemptStatus, JobStatus


@contextmanager
def completing(
    attempt_id: int, job_id: int, worker: str, result: str | None, ran: float
) -> Iterator[None]:
    """Open a transaction that, at its end, also completes the attempt, begun `ran` seconds ago.

    Raises AttemptSuperseded, and so rolls everything back, where the attempt is no longer its
    worker's: it was rescued meanwhile, or has been completed before.
    """
    engine = engine_for()
    began = engine.now() - timedelta(seconds=ran)
    with transaction.atomic(using=engine.alias):
        yield
        attempts = Attempt.objects.using(engine.alias).values_list(
            "started_at", "number", "job__job_class", "job__queue", "job__run_at"
        )
        started, number, job_class, queue, due_at = attempts.get(id=attempt_id)
        outcome = Outcome(
            attempt_id=attempt_id,
            job_id=job_id,
            job_class=job_class,
            number=number,
            status=AttemptStatus.COMPLETED,
            queue=queue,
            due_at=due_at,
            started_at=started or began,
            finished_at=engine.now(),
            result=result,
        )
        if not engine.complete(UUID(worker), [outcome]):
            raise AttemptSuperseded(
                f"attempt {attempt_id} of job {job_id} is no longer this process's to complete"
            )
        tally = Tally()
        tally.add(outcome, JobStatus.COMPLETED)
        tally.store(engine)
