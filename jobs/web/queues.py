"""The page of queues: what waits in each, what runs, who paused it; pausing and resuming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db import connections
from django.db.models import Sum
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import statistics
from ..lifecycle import pausing
from ..models import Job, Queue, Worker
from ..states import JobStatus
from . import stats
from .access import closed
from .filters import text
from .forms import BadTime, read_time
from .reading import time_read
from .responses import render, to_next
from .sparklines import Bar, bars
from .stats import CAP, Count

SHOWN = 25
"""Queues on one page."""
STEP, STEPS = timedelta(minutes=5), 12
DUE_COUNTED = 1_000
"""Due jobs of each queue that are counted; twenty-five long queues are read on one page."""

# Written out, because SQLite takes a partial index only where it reads the status in the statement.
BACKLOG = f"""
SELECT {{place}} AS place, COUNT(*), MIN(run_at) FROM (
    SELECT run_at FROM jobs_job WHERE status = '{JobStatus.QUEUED}' AND queue = %s
    ORDER BY priority DESC, run_at, id LIMIT {DUE_COUNTED + 1}
) AS due{{place}}
"""  # noqa: S608


@dataclass(frozen=True)
class Backlog:
    """What is due in a queue; `oldest` is among the first of them that would be taken."""

    due: Count
    oldest: datetime | None


@dataclass(frozen=True)
class Row:
    """One queue, as the page shows it."""

    queue: Queue
    backlog: Backlog
    running: int
    slots: int
    """Jobs that the live workers serving it run at once, of this queue or others."""
    paused: bool
    bars: Sequence[Bar]
    finished: int
    """Jobs completed and failed in the time of the bars."""
    now: datetime

    @property
    def waits(self) -> timedelta | None:
        """How long the oldest due job has been waiting."""
        oldest = self.backlog.oldest
        return max(self.now - oldest, timedelta(0)) if oldest else None

    @property
    def is_unserved(self) -> bool:
        return not self.slots


@closed("view_job")
def show_queues(request: HttpRequest) -> HttpResponseBase:
    after = text(request.GET, "after", 100)
    queues = list(Queue.objects.filter(name__gt=after).order_by("name")[: SHOWN + 1])
    context = {
        "rows": rows_of(queues[:SHOWN]),
        "after": after,
        "next": queues[SHOWN - 1].name if len(queues) > SHOWN else "",
    }
    return render(request, "jobs/queues.html", context)


@closed("view_job", "manage_queue", method="POST")
def pause(request: HttpRequest) -> HttpResponseBase:
    queue, reason = text(request.POST, "queue", 100), text(request.POST, "reason").strip()
    try:
        until = read_time(request.POST.get("until", ""))
    except BadTime as error:
        return told(request, messages.ERROR, str(error))
    if not is_known(queue):
        return told(request, messages.ERROR, unknown(queue))
    if not reason:
        return told(request, messages.ERROR, _("Say why: others will want to know."))
    if until is not None and until <= timezone.now():
        return told(request, messages.ERROR, _("The end of the pause has passed already."))
    if not pausing.pause(queue, reason, until=until, by=request.user):
        refused = _("The queue %(queue)s was paused already.")
        return told(request, messages.WARNING, refused % {"queue": queue})
    done = _("The queue %(queue)s is paused; what runs goes on.")
    return told(request, messages.SUCCESS, done % {"queue": queue})


@closed("view_job", "manage_queue", method="POST")
def resume(request: HttpRequest) -> HttpResponseBase:
    queue = text(request.POST, "queue", 100)
    if not is_known(queue):
        return told(request, messages.ERROR, unknown(queue))
    if not pausing.resume(queue, by=request.user):
        refused = _("The queue %(queue)s is not paused.")
        return told(request, messages.WARNING, refused % {"queue": queue})
    done = _("Workers take jobs of %(queue)s again.")
    return told(request, messages.SUCCESS, done % {"queue": queue})


def told(request: HttpRequest, level: int, message: str) -> HttpResponseBase:
    """Return to the queues, or where the form was, with a message."""
    messages.add_message(request, level, message, fail_silently=True)
    return to_next(request, reverse("jobs:queues"))


def is_known(queue: str) -> bool:
    return Queue.objects.filter(name=queue).exists()


def unknown(queue: str) -> str:
    return _("There is no queue named %(queue)s.") % {"queue": repr(queue)}


def rows_of(queues: Sequence[Queue]) -> list[Row]:
    """Read what a page says of `queues`, with a fixed number of statements."""
    names = [queue.name for queue in queues]
    now = timezone.now()
    backlogs, running, workers = backlog(names), running_of(), stats.live_workers()
    finished = finished_of(names, now)
    return [
        Row(
            queue,
            backlogs[queue.name],
            running[queue.name],
            slots_of(workers, queue.name),
            queue.is_paused(now),
            bars(finished[queue.name]),
            sum(good + bad for good, bad in finished[queue.name]),
            now,
        )
        for queue in queues
    ]


def slots_of(workers: Sequence[Worker], queue: str) -> int:
    return sum(one.concurrency for one in workers if stats.serving([one], queue))


def backlog(names: Sequence[str]) -> dict[str, Backlog]:
    """Return what is due in each queue, in one statement that reads the index of claims alone."""
    if not names:
        return {}
    connection = connections[Job.objects.db]
    sql = " UNION ALL ".join(BACKLOG.format(place=place) for place in range(len(names)))
    with connection.cursor() as cursor:
        cursor.execute(sql, names)
        found = cursor.fetchall()
    return {
        names[place]: Backlog(Count.up_to(DUE_COUNTED, count), time_read(oldest, connection))
        for place, count, oldest in found
    }


def running_of() -> Counter[str]:
    """Return queue → running jobs, among as many as are counted."""
    running = Job.objects.filter(status=JobStatus.RUNNING).values_list("queue", flat=True)
    return Counter(running[: CAP + 1])


def finished_of(names: Sequence[str], now: datetime) -> dict[str, list[tuple[int, int]]]:
    """Return queue → jobs completed and failed in each step of the last hour, oldest first."""
    step = STEP.total_seconds()
    last = int(now.timestamp() // step)
    start = datetime.fromtimestamp((last - STEPS + 1) * step, now.tzinfo)
    found = {name: [(0, 0)] * STEPS for name in names}
    rows = statistics.between(start, now).filter(queue__in=names).order_by()
    sums: Any = rows.values_list("queue", "period").annotate(Sum("completed"), Sum("failed"))
    for queue, period, completed, failed in sums:
        place = int(period.timestamp() // step) - last + STEPS - 1
        good, bad = found[queue][place]
        found[queue][place] = good + completed, bad + failed
    return found
