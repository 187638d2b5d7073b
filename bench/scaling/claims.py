"""What a claim costs, whatever else is in the table."""

from __future__ import annotations

import time
import uuid

from django.db import transaction

from jobs.lifecycle import claiming, leasing
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.leasing import Identity
from jobs.models import Job

from ..figures import percentile
from ..jobs import Noop

AT_ONCE, ROUNDS = 32, 200
"""Jobs of one claim, and how many claims are measured."""


def claim_p50() -> float:
    """Return the median of a claim of 32 jobs in milliseconds, each rolled back."""
    jobs = Noop.dispatch_many(Noop(number=number) for number in range(AT_ONCE * 10))
    engine, worker = engine_for(), uuid.uuid4()
    identity = Identity(worker, "bench", "bench", 0, 0.0, (), AT_ONCE, "")
    leasing.register(engine, identity, 3600.0)
    taken = []
    for _ in range(ROUNDS):
        with transaction.atomic():
            start = time.perf_counter()
            found = claiming.claim(engine, worker, ["default"], AT_ONCE, 0, ())
            taken.append(1000 * (time.perf_counter() - start))
            assert len(found) == AT_ONCE
            transaction.set_rollback(True)
    Job.objects.filter(id__gte=jobs[0].pk).delete()
    return percentile(taken, 0.5)
