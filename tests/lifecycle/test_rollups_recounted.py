"""Whatever happens to jobs, in any order: the sums are what one gets by counting the rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from jobs.lifecycle import changing, claiming, errors, finishing, leasing, retention, rollups
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.records import Claim, Outcome
from jobs.lifecycle.retention import Retention
from jobs.models import Attempt, AuditEntry, ErrorRollup, Job, Resolution, Rollup, Worker
from jobs.models.rollups import RAN, WAITED
from jobs.states import FINAL, AttemptStatus, JobStatus, Reason
from tests.factories import make_worker

from .acting import begin, claim, dispatch, outcome

pytestmark = pytest.mark.django_db

AGES = [timedelta(0), *(timedelta(**{unit: 3}) for unit in ("minutes", "hours", "days", "weeks"))]
ENDS: list[dict[str, Any]] = [
    {"status": AttemptStatus.COMPLETED},
    {"status": AttemptStatus.FAILED},
    {"status": AttemptStatus.FAILED, "final": True},
    {"status": AttemptStatus.RELEASED, "reason": Reason.SHUTDOWN},
    {"status": AttemptStatus.RELEASED, "reason": Reason.POSTPONED, "delay": 60},
    {"status": AttemptStatus.CANCELLED, "reason": Reason.CANCELLED},
]


class Life:
    """Jobs to which things happen at random; what pruning takes away is counted before it goes."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine, self.random = engine, random.Random(seed)
        self.gone: Counter[str] = Counter()
        self.begin_anew()

    def begin_anew(self) -> None:
        self.worker: Worker = make_worker()
        self.claims: list[Claim] = []
        self.told: list[Outcome] = []

    def live(self, steps: int) -> None:
        acts: dict[Callable[[], object], int] = {
            self.dispatch: 6,
            self.claim: 6,
            self.end: 6,
            self.tell_again: 1,
            self.start: 2,
            self.unclaim: 3,
            self.cancel: 2,
            self.retry: 3,
            self.promote: 2,
            self.lose_worker: 1,
            self.merge: 1,
            self.prune: 1,
        }
        for act in self.random.choices(list(acts), list(acts.values()), k=steps):
            act()

    def dispatch(self) -> None:
        queue, delay = self.random.choice(["default", "mail"]), self.random.choice([None, 3600.0])
        for _ in range(3):
            dispatch(queue=queue, delay=delay, max_attempts=2)

    def claim(self) -> None:
        self.claims += claim(self.worker, 4, ["default", "mail"])

    def some(self) -> list[Claim]:
        """Take some of the claims."""
        self.random.shuffle(self.claims)
        taken, self.claims = self.claims[:2], self.claims[2:]
        return taken

    def end(self) -> None:
        at = self.engine.now() - self.random.choice(AGES)
        self.told = [self.ended(one, at) for one in self.some()]
        finishing.finish(self.engine, self.worker.pk, self.told)

    def ended(self, one: Claim, at: datetime) -> Outcome:
        ran = timedelta(seconds=self.random.random() * 10)
        due = at - ran - timedelta(seconds=self.random.random() * 100)
        times = {"finished_at": at, "started_at": at - ran, "due_at": due}
        return outcome(one, **(times | self.random.choice(ENDS)))

    def tell_again(self) -> None:
        """Tell what has been told, as after a connection that broke before the answer."""
        finishing.finish(self.engine, self.worker.pk, self.told)

    def start(self) -> None:
        for one in self.claims[:2]:
            begin(self.engine, self.worker, one, self.engine.now(), 4711)

    def unclaim(self) -> None:
        begun = Attempt.objects.filter(status=AttemptStatus.RUNNING, started_at__isnull=False)
        kept = set(begun.values_list("id", flat=True))
        taken = self.some()
        self.claims += [one for one in taken if one.attempt_id in kept]
        stopped = Job.objects.filter(status=JobStatus.CANCELLED)
        before = stopped.count()
        claiming.unclaim(
            self.engine, self.worker.pk, [one for one in taken if one.attempt_id not in kept]
        )
        self.gone["at all"] += stopped.count() - before  # Nothing is left of the attempt.

    def cancel(self) -> None:
        held = [one.job_id for one in self.claims[:2]]
        for job in (*held, *self.any_job(Job.objects.exclude(status__in=FINAL))):
            changing.cancel(job)

    def retry(self) -> None:
        for job in self.any_job(Job.objects.filter(status__in=FINAL)):
            changing.retry(job)

    def any_job(self, jobs: QuerySet[Job]) -> list[int]:
        found = list(jobs.order_by("id").values_list("id", flat=True))
        return self.random.sample(found, min(len(found), 2))

    def promote(self) -> None:
        Job.objects.filter(status=JobStatus.RETRYING).update(run_at=self.engine.now())
        claiming.promote(self.engine)

    def lose_worker(self) -> None:
        leasing.rescue(self.engine, self.worker.pk, gone=True)
        self.begin_anew()

    def merge(self) -> None:
        rollups.merge(self.engine)
        errors.merge(self.engine)

    def prune(self) -> None:
        before = counted()
        retention.prune(self.engine, Retention(completed=1, failed=1))
        self.gone += before - counted()


def counted() -> Counter[str]:
    """Count rows: how often jobs have come to each end, and attempts; `retry` begins with an end, too."""
    ends = Job.objects.filter(status__in=FINAL).values_list("status", flat=True)
    retried = AuditEntry.objects.filter(action="retry").values_list("status", flat=True)
    found = Counter(str(status) for status in (*ends, *retried))
    attempts = Attempt.objects.exclude(status=AttemptStatus.RUNNING)
    found["ran"] = found["waited"] = attempts.filter(started_at__isnull=False).count()
    cancels = AuditEntry.objects.filter(action="cancel").exclude(status=JobStatus.RUNNING)
    found["at all"] = attempts.count() + cancels.count()
    return +found


def summed(rows: QuerySet[Rollup]) -> Counter[str]:
    """Return the sums of what `counted` counts."""
    columns = (*rollups.SUMMED[:5], *RAN, *WAITED)
    got = rows.aggregate(**{name: Coalesce(Sum(name), 0) for name in columns})
    found = Counter({str(status): got[status] for status in FINAL})
    found["ran"] = sum(got[name] for name in RAN)
    found["waited"] = sum(got[name] for name in WAITED)
    found["at all"] = sum(got[name] for name in rollups.SUMMED[:5])
    return +found


@pytest.mark.parametrize("seed", range(6))
def test_the_sums_are_what_counting_gives(seed: int, db: None, engine: Engine) -> None:
    life = Life(engine, seed)
    life.live(120)
    expected = counted() + life.gone
    ever = Rollup.objects.filter(resolution__in=(Resolution.EVER, Resolution.WRITER))
    assert summed(ever) == expected
    assert summed(Rollup.objects.exclude(resolution=Resolution.EVER)) == expected
    kept = ErrorRollup.objects.filter(resolution__in=(Resolution.EVER, Resolution.WRITER))
    sums = ever.aggregate(n=Sum("failed") + Sum("retried"))
    assert kept.aggregate(n=Sum("failures")) == sums
