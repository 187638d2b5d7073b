"""The page of workers: which live, what they run, what became of the jobs of lost ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import __version__
from ..conf import conf
from ..lifecycle import leasing
from ..lifecycle.engines import engine_for
from ..models import Attempt, Worker
from ..states import LIVE_WORKERS, AttemptStatus, JobStatus, WorkerStatus
from .access import closed
from .filters import number
from .responses import render, to_next

LIVE_SHOWN, GONE_SHOWN = 100, 25
JOBS_SHOWN, ATTEMPTS_READ = 10, 2_000
LATE_AFTER = 2.5
"""Heartbeats that may be missed before a worker is called late."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Current:
    """A job that a worker holds; without `started_at` it waits there for a free process."""

    job_id: int
    number: int
    job_class: str
    started_at: datetime | None
    peak_rss: int | None
    """Bytes of memory at its largest, as last measured; None for one that has just begun."""

    @property
    def name(self) -> str:
        return self.job_class.rpartition(".")[2]


@dataclass(frozen=True)
class Card:
    """One worker, as the page shows it."""

    worker: Worker
    now: datetime
    current: Sequence[Current] = field(default_factory=list)

    @property
    def state(self) -> str:
        """`running`, `draining`, `late`, `dead`, or, where it is gone, `stopped` or `lost`."""
        if self.worker.status not in LIVE_WORKERS:
            return self.worker.status
        if self.worker.lease_expires_at <= self.now:
            return "dead"
        if self.now - self.worker.beat_at > timedelta(seconds=LATE_AFTER * conf.BEAT):
            return "late"
        return "draining" if self.worker.drain_requested_at else self.worker.status

    @property
    def running(self) -> Sequence[Current]:
        return [one for one in self.current if one.started_at is not None]

    @property
    def shown(self) -> Sequence[Current]:
        return self.running[:JOBS_SHOWN]

    @property
    def hidden(self) -> int:
        """Running jobs that are not shown."""
        return len(self.running) - len(self.shown)

    @property
    def ahead(self) -> int:
        """Jobs it has claimed and not started."""
        return len(self.current) - len(self.running)

    @property
    def uptime(self) -> timedelta:
        return max((self.worker.stopped_at or self.now) - self.worker.started_at, timedelta(0))

    @property
    def cpu_share(self) -> float | None:
        """Percent of one processor that the worker itself took, on average."""
        seconds = (self.worker.beat_at - self.worker.started_at).total_seconds()
        used = self.worker.cpu_seconds
        return None if used is None or seconds <= 0 else 100 * used / seconds

    @property
    def is_other_version(self) -> bool:
        return self.worker.version != __version__

    @property
    def rescued(self) -> str:
        """What became of the jobs it held when it was lost, as a sentence."""
        return rescue_sentence(self.worker.rescued or {})


def rescue_sentence(rescued: dict[str, int]) -> str:
    """Say what became of a lost worker's jobs, given as status → how many."""
    back = sum(rescued.get(one, 0) for one in (JobStatus.QUEUED, JobStatus.RETRYING))
    failed, cancelled = rescued.get(JobStatus.FAILED, 0), rescued.get(JobStatus.CANCELLED, 0)
    parts = [
        (
            back,
            ngettext(
                "%(n)s job returned to its queue", "%(n)s jobs returned to their queues", back
            ),
        ),
        (
            failed,
            ngettext(
                "%(n)s failed: no attempt was left", "%(n)s failed: no attempts were left", failed
            ),
        ),
        (cancelled, ngettext("%(n)s was cancelled", "%(n)s were cancelled", cancelled)),
    ]
    told = [sentence % {"n": count} for count, sentence in parts if count]
    return f"{', '.join(told)}." if told else _("It held no jobs.")


@closed("view_job")
def show_workers(request: HttpRequest) -> HttpResponseBase:
    now = engine_for().now()
    before = number(request.GET, "before")
    live = [] if before else live_cards(now)
    gone, older = gone_workers(before)
    context = {
        "cards": live,
        "gone": [Card(worker, now) for worker in gone],
        "before": before,
        "older": older,
        "version": __version__,
        "lease": timedelta(seconds=conf.LEASE),
    }
    return render(request, "jobs/workers.html", context)


@closed("view_job", "manage_worker", method="POST")
def drain(request: HttpRequest, worker_id: UUID) -> HttpResponseBase:
    worker = get_object_or_404(Worker, pk=worker_id)
    if leasing.drain(worker.pk, by=request.user):
        done = _("%(worker)s finishes what it runs, takes no more, and leaves.")
        messages.success(request, done % {"worker": worker}, fail_silently=True)
    else:
        refused = _("%(worker)s is leaving already, or is gone.")
        messages.warning(request, refused % {"worker": worker}, fail_silently=True)
    return to_next(request, reverse("jobs:workers"))


@closed("view_job", "manage_worker", method="POST")
def forget(request: HttpRequest, worker_id: UUID) -> HttpResponseBase:
    worker = get_object_or_404(Worker, pk=worker_id)
    if leasing.forget(worker.pk, by=request.user):
        done = _("%(worker)s is no longer listed.") % {"worker": worker}
        messages.success(request, done, fail_silently=True)
    elif worker.status in LIVE_WORKERS:
        refused = _(
            "%(worker)s was not rescued yet, so it may still hold jobs. Any other worker rescues it "
            "when its lease has run out: start one, if none runs."
        )
        messages.warning(request, refused % {"worker": worker}, fail_silently=True)
    else:
        refused = _("%(worker)s was not listed any more.") % {"worker": worker}
        messages.warning(request, refused, fail_silently=True)
    return to_next(request, reverse("jobs:workers"))


def live_cards(now: datetime) -> list[Card]:
    """Return the workers whose rows say that they live, with what they hold, by host and start."""
    rows = Worker.objects.filter(status__in=LIVE_WORKERS).order_by("-lease_expires_at")
    workers = sorted(rows[:LIVE_SHOWN], key=lambda one: (one.hostname, one.started_at, one.pk))
    held = held_by([worker.pk for worker in workers])
    return [Card(worker, now, held[worker.pk]) for worker in workers]


def held_by(workers: Sequence[UUID]) -> dict[Any, list[Current]]:
    """Return worker → what it holds, the longest running first."""
    attempts = Attempt.objects.filter(worker__in=workers, status=AttemptStatus.RUNNING)
    columns = ("worker_id", "job_id", "number", "job__job_class", "started_at", "peak_rss")
    held: dict[Any, list[Current]] = defaultdict(list)
    for worker, *values in attempts.values_list(*columns)[:ATTEMPTS_READ]:
        held[worker].append(Current(*values))
    for jobs in held.values():
        jobs.sort(key=lambda one: (one.started_at is None, one.started_at or EPOCH))
    return held


def gone_workers(before: int | None) -> tuple[list[Worker], int | None]:
    """Return the workers that left or were lost, the latest first, and the key of the next page.

    The key is when the last one shown stopped, in microseconds since 1970.
    """
    states = (WorkerStatus.STOPPED, WorkerStatus.LOST)
    rows = Worker.objects.filter(forgotten_at=None, stopped_at__isnull=False, status__in=states)
    if before:
        rows = rows.filter(stopped_at__lt=moment_of(before))
    found = list(rows.order_by("-stopped_at", "id")[: GONE_SHOWN + 1])
    if len(found) <= GONE_SHOWN:
        return found, None
    last = found[GONE_SHOWN - 1].stopped_at or EPOCH
    return found[:GONE_SHOWN], (last - EPOCH) // MICROSECOND


def moment_of(key: int) -> datetime:
    try:
        return EPOCH + key * MICROSECOND
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
