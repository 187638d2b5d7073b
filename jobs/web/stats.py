"""The numbers of the dashboard. Each query reads a bounded number of index entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.models import Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .. import statistics
from ..models import Job, Worker
from ..selection import Selection
from ..states import FINAL, LIVE_WORKERS, PENDING, WAITING, JobStatus
from ..statistics import Counts
from .filters import JobFilter
from .paging import SPAN, newest_key

CAP = 10_000
"""Counts stop here and are shown as "10,000+"."""

HOUR = timedelta(hours=1)
OLDEST_AMONG = 1_000
"""Jobs looked at for the one that waits longest."""


@dataclass(frozen=True)
class Count:
    """A number of jobs; `capped` says that there may be more."""

    value: int
    capped: bool = False


@dataclass(frozen=True)
class Tab:
    status: str
    label: str
    count: Count | None
    """None where it was not counted yet."""
    url: str
    current: bool


def tabs(chosen: JobFilter, counts: dict[str, Count] | None) -> list[Tab]:
    """Return "All" and one tab per status, keeping the rest of the filter."""
    counts = counts or {}
    return [
        Tab(status, label, counts.get(status), chosen.url(status=status), status == chosen.status)
        for status, label in [("", ""), *((one.value, str(one.label)) for one in JobStatus)]
    ]


def counts(selection: Selection) -> dict[str, Count]:
    """Return status → number of jobs among those of the filter; the empty status stands for all."""
    others = replace(selection, status="")
    found = everywhere() if not others.as_json() else among(others)
    total = sum(count.value for count in found.values())
    capped = total > CAP or any(count.capped for count in found.values())
    return {"": Count(min(total, CAP), capped), **found}


def among(selection: Selection) -> dict[str, Count]:
    """Count by status the newest jobs of a filter."""
    jobs = selection.jobs()
    if selection.is_one_range:
        return newest(jobs)
    floor = newest_key(jobs) - SPAN
    return newest(jobs.filter(pk__gt=floor), older=floor > 0)


def everywhere(statuses: Iterable[JobStatus] = tuple(JobStatus)) -> dict[str, Count]:
    """Count the jobs of each status up to the cap, in one statement."""
    asked = list(statuses)
    found = count_each([Job.objects.filter(status=status) for status in asked])
    return {
        status.value: Count(min(value, CAP), value > CAP)
        for status, value in zip(asked, found, strict=True)
    }


def newest(jobs: QuerySet[Job], older: bool = False) -> dict[str, Count]:
    """Count by status among the newest of `jobs`.

    No index leads by class and status both, so counting each status up to the cap could read
    every job of another class; the newest of one class are one range of one index. `older` says
    that `jobs` lacks older ones.
    """
    statuses = list(jobs.order_by("-pk").values_list("status", flat=True)[: CAP + 1])
    tally = Counter(statuses[:CAP])
    capped = len(statuses) > CAP or older
    return {status.value: Count(tally[status.value], capped) for status in JobStatus}


def count_each(querysets: list[QuerySet[Any]]) -> list[int]:
    """Count the rows of each queryset up to one more than the cap, in one statement."""
    alias = querysets[0].db
    limited = [rows.order_by().values("pk")[: CAP + 1] for rows in querysets]
    compiled = [rows.query.get_compiler(alias).as_sql() for rows in limited]
    # Only SQL that the ORM built is joined here; values stay parameters.
    parts = [f"(SELECT COUNT(*) FROM ({sql}) c{n})" for n, (sql, _) in enumerate(compiled)]  # noqa: S608
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(parts), [p for _, params in compiled for p in params])
        return list(cursor.fetchone())


def live_workers() -> list[Worker]:
    """Return the workers whose lease holds, by the database's clock; newest first."""
    return list(
        Worker.objects.filter(status__in=LIVE_WORKERS, lease_expires_at__gt=Now()).order_by(
            "-started_at"
        )[:100]
    )


def serving(workers: list[Worker], queue: str) -> bool:
    """Return whether one of `workers` takes jobs from `queue`."""
    return any(not worker.queues or queue in worker.queues for worker in workers)


def longest_wait(now: datetime) -> timedelta | None:
    """Return how long the oldest due job has been waiting; None where none is due."""
    queued = Job.objects.filter(status=JobStatus.QUEUED).order_by("pk")[:OLDEST_AMONG]
    late = Job.objects.filter(status__in=sorted(WAITING), run_at__lte=now).order_by("run_at")
    times = [
        queued.aggregate(oldest=Min("run_at"))["oldest"],
        late.values_list("run_at", flat=True).first(),
    ]
    known = [time for time in times if time is not None]
    return now - min(known) if known else None


@dataclass(frozen=True)
class Overview:
    """What the statistics panel says."""

    counts: dict[str, Count]
    """Of the statuses before the final ones."""
    workers: list[Worker]
    longest_wait: timedelta | None
    last_hour: Counts
    lifetime: Counts

    @property
    def slots(self) -> int:
        """How many jobs the live workers run at once."""
        return sum(worker.concurrency for worker in self.workers)

    @property
    def waiting(self) -> int:
        return sum(self.counts[status].value for status in PENDING)

    @property
    def beat_at(self) -> datetime | None:
        """The latest heartbeat of any live worker."""
        return max((worker.beat_at for worker in self.workers), default=None)

    @property
    def is_stalled(self) -> bool:
        """Whether jobs wait and nobody is there to run them."""
        return not self.workers and self.waiting > 0


def overview() -> Overview:
    """Read the numbers of the statistics panel; the filter does not touch them."""
    now = timezone.now()
    last_hour = statistics.counts(statistics.between(now - HOUR, now))
    unfinished = [status for status in JobStatus if status not in FINAL]
    return Overview(
        everywhere(unfinished), live_workers(), longest_wait(now), last_hour, statistics.lifetime()
    )
