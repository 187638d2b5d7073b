"""The latest jobs of a class as a strip of bars, to see one among its like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from ..models import Job
from ..states import FINAL, JobStatus

SHOWN, NEWER_SHOWN = 60, 30
STEP, HEIGHT, LEAST = 8, 32, 4
COLUMNS = ("pk", "status", "started_at", "finished_at")


@dataclass(frozen=True)
class Run:
    """One job in the strip: a bar that is the higher, by orders of magnitude, the longer it ran."""

    pk: int
    status: str
    ran: timedelta | None
    x: int
    height: int
    is_this: bool

    @property
    def y(self) -> int:
        return HEIGHT - self.height

    @property
    def label(self) -> str:
        return str(JobStatus(self.status).label)

    @property
    def url(self) -> str:
        return reverse("jobs:job", args=[self.pk])


def runs_around(job: Job) -> list[Run]:
    """Return the latest jobs of its class up to some that came after it, oldest first.

    Each half is one short range of the index by class and id.
    """
    same = Job.objects.filter(job_class=job.job_class)
    newer = list(same.filter(pk__gt=job.pk).order_by("pk").values_list(*COLUMNS)[:NEWER_SHOWN])
    older = same.filter(pk__lte=job.pk).order_by("-pk").values_list(*COLUMNS)
    rows = [*reversed(older[: SHOWN - len(newer)]), *newer]
    now = timezone.now()
    times = [ran_for(status, began, ended, now) for _, status, began, ended in rows]
    longest = max((one.total_seconds() for one in times if one), default=0.0)
    return [
        Run(pk, status, ran, place * STEP, height_of(ran, longest), pk == job.pk)
        for place, ((pk, status, *_), ran) in enumerate(zip(rows, times, strict=True))
    ]


def ran_for(
    status: str, started_at: datetime | None, finished_at: datetime | None, now: datetime
) -> timedelta | None:
    """Return how long the latest attempt ran; None where it has not begun or will run again."""
    if started_at is None or status not in FINAL | {JobStatus.RUNNING}:
        return None
    return max((finished_at or now) - started_at, timedelta(0))


def height_of(ran: timedelta | None, longest: float) -> int:
    if ran is None or longest <= 0:
        return LEAST
    share = math.log1p(ran.total_seconds() * 1000) / math.log1p(longest * 1000)
    return max(round(share * HEIGHT), LEAST)
