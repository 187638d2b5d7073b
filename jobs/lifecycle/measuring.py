"""What attempts take while they run: the last that is known of one whose worker is lost."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from ..models import Attempt
from ..states import AttemptStatus
from .engines import Engine
from .records import Measurement


def record_measures(engine: Engine, worker: UUID, taken: Iterable[Measurement]) -> None:
    """Store what running attempts of `worker` take; of one that is not its any more, nothing.

    Their outcomes bring the final figures.
    """
    running = Attempt.objects.using(engine.alias).filter(
        worker_id=worker, status=AttemptStatus.RUNNING
    )
    with transaction.atomic(using=engine.alias, savepoint=False):
        # By id, as everybody locks attempts.
        for one in sorted(taken, key=lambda one: one.attempt_id):
            running.filter(id=one.attempt_id).update(
                cpu_seconds=one.cpu_seconds, peak_rss=one.peak_rss, samples=one.samples
            )
