"""What real workers leave in the rollups, and what they delete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone

from jobs import statistics
from jobs.models import Attempt, Job, Rollup
from tests.factories import make_job
from tests.sample_jobs import CompletesInTransaction, Exits, Raises, Returns

from .conftest import StartWorker, finished

Burst = Callable[..., Any]


def of_this_hour() -> QuerySet[Rollup]:
    now = timezone.now()
    return statistics.between(now - timedelta(hours=1), now)


def test_every_outcome_of_a_worker_is_counted_once(burst: Burst) -> None:
    Returns.dispatch_many([Returns(value=n) for n in range(60)])
    CompletesInTransaction(name="one").dispatch()
    CompletesInTransaction(name="two").dispatch()
    Raises().dispatch()
    Exits(code=3).dispatch()
    burst()
    assert statistics.lifetime() == statistics.Counts(completed=62, failed=2, retried=1)
    told = statistics.summary(of_this_hour())
    assert told.waited.total == told.ran.total == Attempt.objects.count() == 65


def test_what_attempts_used_is_added_up(burst: Burst) -> None:
    Returns.dispatch_many([Returns(value=n) for n in range(5)])
    CompletesInTransaction(name="one").dispatch()
    burst()
    used = Attempt.objects.aggregate(cpu=Sum("cpu_seconds"))
    told = statistics.summary(of_this_hour())
    assert abs(told.cpu_seconds - used["cpu"]) < 1e-6
    assert told.peak_rss == Attempt.objects.aggregate(peak=Max("peak_rss"))["peak"]


def test_a_worker_deletes_what_has_been_kept_for_long_enough(
    worker: StartWorker, wait_until: Callable[..., Any]
) -> None:
    at = timezone.now() - timedelta(days=20)
    old = [make_job("completed", finished_at=at).pk for _ in range(250)]
    kept = make_job("failed", finished_at=at)
    worker()
    job = Returns(value=1).dispatch()
    finished(job)
    wait_until(lambda: not Job.objects.filter(pk__in=old).exists())
    assert set(Job.objects.values_list("pk", flat=True)) == {kept.pk, job.pk}
