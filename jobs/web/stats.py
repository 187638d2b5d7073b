"""The numbers of the dashboard. Each query reads a bounded number of index entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .. import statistics
from ..models import Job, Rollup, Worker
from ..selection import Selection
from ..states import FINAL, LIVE_WORKERS, PENDING, WAITING, JobStatus
from ..statistics import PARTS, WHOLE, Counts
from .filters import JobFilter
from .paging import Reach, reach_of
from .reading import read_each, time_read

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

    @classmethod
    def up_to(cls, cap: int, found: int) -> Count:
        """Return what is known where counting ended one beyond the cap."""
        return cls(min(found, cap), found > cap)


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


def counts(selection: Selection, reach: Reach | None = None) -> dict[str, Count]:
    """Return status → number of jobs among those of the filter; the empty status stands for all.

    A page that has searched with a `reach` gives it, since it knows the beginning of the table.
    """
    others = selection.of_any_status()
    # One index holds the jobs of each status, and one those of each group of errors and status.
    by_status = others.as_json().keys() <= {"group"}
    found = by_each(others.jobs()) if by_status else among(others, reach)
    total = sum(count.value for count in found.values())
    capped = total > CAP or any(count.capped for count in found.values())
    return {"": Count(min(total, CAP), capped), **found}


def among(selection: Selection, reach: Reach | None) -> dict[str, Count]:
    """Count by status the newest jobs of a filter."""
    jobs, key = selection.ordered(selection.jobs(), newest_first=True), selection.key
    if selection.is_one_range:
        return newest(jobs)
    reach = reach or reach_of(selection)
    floor = reach.below(None)
    near = jobs.filter(**{f"{key}__gte": floor})
    near = near if reach.top is None else near.filter(**{f"{key}__lt": reach.top})
    return newest(near, older=not reach.ends_at(floor))


def by_each(
    jobs: QuerySet[Job], statuses: Iterable[JobStatus] = tuple(JobStatus)
) -> dict[str, Count]:
    """Count those of each status up to the cap, in one statement."""
    asked = list(statuses)
    return told_by_status(asked, count_each([jobs.filter(status=status) for status in asked]))


def told_by_status(statuses: Sequence[JobStatus], found: Sequence[int]) -> dict[str, Count]:
    return {
        status.value: Count.up_to(CAP, value) for status, value in zip(statuses, found, strict=True)
    }


def newest(jobs: QuerySet[Job], older: bool = False) -> dict[str, Count]:
    """Count by status among the first of `jobs`, which are in order, the newest first.

    No index leads by class and status both, so counting each status up to the cap could read
    every job of another class; the newest of one class are one range of one index. `older` says
    that `jobs` lacks older ones.
    """
    statuses = list(jobs.values_list("status", flat=True)[: CAP + 1])
    tally = Counter(statuses[:CAP])
    capped = len(statuses) > CAP or older
    return {status.value: Count(tally[status.value], capped) for status in JobStatus}


def count_each(querysets: list[QuerySet[Any]]) -> list[int]:
    """Count the rows of each queryset up to one more than the cap, in one statement."""
    return read_each([some(rows) for rows in querysets])


def some(rows: QuerySet[Any]) -> tuple[str, QuerySet[Any, Any]]:
    """Return what to ask for the number of rows, up to one more than the cap."""
    return "COUNT(*)", rows.order_by().values("pk")[: CAP + 1]


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


def oldest_due(now: datetime) -> list[tuple[str, QuerySet[Any, Any]]]:
    """Return what to ask for the times of the oldest due jobs."""
    queued = Job.objects.filter(status=JobStatus.QUEUED).order_by("pk")
    late = Job.objects.filter(status__in=sorted(WAITING), run_at__lte=now).order_by("run_at")
    times = (queued.values("run_at")[:OLDEST_AMONG], late.values("run_at")[:1])
    return [("MIN(run_at)", rows) for rows in times]


class Unfinished(NamedTuple):
    counts: dict[str, Count]
    """Status → jobs in it."""
    longest_wait: timedelta | None
    """Of the oldest due job; None where none is due."""
    ends: tuple[int, int]
    """The smallest and the largest id of all jobs."""


def unfinished(now: datetime) -> Unfinished:
    """Read what is known of the jobs that have not ended, in one statement."""
    statuses = [status for status in JobStatus if status not in FINAL]
    each = [some(Job.objects.filter(status=status)) for status in statuses]
    ends = [("MAX(id)", Job.objects.order_by(order).values("id")[:1]) for order in ("pk", "-pk")]
    *found, oldest, newest = read_each([*each, *oldest_due(now), *ends])
    connection = connections[Job.objects.db]
    times = [time_read(value, connection) for value in found[len(statuses) :]]
    known = [one for one in times if one is not None]
    counts = told_by_status(statuses, found[: len(statuses)])
    wait = now - min(known) if known else None
    return Unfinished(counts, wait, (oldest or 0, newest or 0))


@dataclass(frozen=True)
class Overview:
    """What the statistics panel says."""

    counts: dict[str, Count]
    """Of the statuses before the final ones."""
    workers: list[Worker]
    longest_wait: timedelta | None
    last_hour: Counts
    lifetime: Counts
    ends: tuple[int, int]
    """The smallest and the largest id of all jobs."""

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
    last_hour, lifetime = last_hour_and_ever(now)
    counted, longest_wait, ends = unfinished(now)
    return Overview(counted, live_workers(), longest_wait, last_hour, lifetime, ends)


def last_hour_and_ever(now: datetime) -> list[Counts]:
    """Return what ended in the last hour, and all there ever was, by one query."""
    lately = Q(resolution__in=PARTS, period__gte=now - HOUR, period__lt=now)
    ever = Q(resolution__in=WHOLE)
    return statistics.counts_each(Rollup.objects.filter(lately | ever), lately, ever)
