"""What real workers leave in the rollups, and what they delete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import Max, QuerySet, Sum
from django.test import Client
from django.utils import timezone

from jobs import error_groups, statistics
from jobs.models import Attempt, CodeVersion, Job, Rollup
from tests.factories import make_job, make_user
from tests.sample_jobs import CompletesInTransaction, Raises, Returns
from tests.unruly_jobs import Exits

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


def test_failures_of_workers_are_in_groups_of_like_errors(burst: Burst) -> None:
    for number in (17, 18, 19):
        Raises(message=f"order {number} is gone").dispatch()
    Exits(code=3).dispatch()
    Returns.dispatch_many([Returns(value=n) for n in range(20)])
    burst()
    found = {group.message: group for group in error_groups.most_frequent(timezone.now())}
    orders = found["order … is gone"]
    assert (orders.error_type, orders.total) == ("ValueError", 3 * Raises.max_attempts)
    assert orders.windows == {"1h": orders.total, "24h": orders.total, "7d": orders.total}
    assert sum(group.total for group in found.values()) == statistics.lifetime().failures


def test_workers_show_what_they_did_on_the_pages(burst: Burst, client: Client) -> None:
    Raises(message="order 17 is gone").dispatch()
    Returns.dispatch_many([Returns(value=n) for n in range(5)])
    burst()
    client.force_login(make_user("view_job", "view_job_logs"))
    assert "6 jobs finished" in client.get("/stats/?range=1h").content.decode()
    assert "order … is gone" in client.get("/errors/").content.decode()
    assert 'outcome="completed"} 5' in client.get("/metrics").content.decode()


def test_a_worker_leaves_the_version_of_the_code_that_it_ran(burst: Burst) -> None:
    burst(VERSION="2026.11")
    burst(VERSION="2026.11")
    burst()
    assert [version.name for version in CodeVersion.objects.all()] == ["2026.11"]
