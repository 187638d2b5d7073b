"""Whether jobs get done: the database answers, a worker lives, and no due job waits for too long.

For probes: a handful of statements, each of them a range of an index.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import Error

from .lifecycle.engines import Engine, engine_for
from .lifecycle.pausing import paused_queues
from .models import Job, Worker
from .states import LIVE_WORKERS, WAITING, JobStatus

LOWEST = -100
"""The smallest priority there is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be looked at. Without `queues` it is all of them."""

    checks: Collection[str]
    queues: Sequence[str] = ()
    max_age: float = 300.0
    """Seconds a due job may wait."""
    host_id: str | None = None
    """Counts only workers of this boot of a machine, where it is given."""

    def findings(self) -> list[Finding]:
        """Return what was found, the database first; without it nothing else can be told."""
        first = self._database()
        if not first.ok:
            return [first]
        looks: dict[str, Callable[[Engine], tuple[bool, str]]] = {
            "worker": self._worker,
            "due": self._due,
        }
        found = [first]
        for name, look in looks.items():
            if name in self.checks:
                try:
                    found.append(Finding(name, *look(engine_for())))
                except Error as error:
                    found.append(Finding(name, False, _words(error)))
        return found

    def _database(self) -> Finding:
        began = time.monotonic()
        try:
            engine = engine_for()
            Worker.objects.using(engine.alias).exists()
        except (Error, ImproperlyConfigured) as error:
            return Finding("database", False, _words(error))
        took = (time.monotonic() - began) * 1000
        return Finding("database", True, f"{engine.connection.vendor} answered in {took:.0f} ms")

    def _worker(self, engine: Engine) -> tuple[bool, str]:
        workers = Worker.objects.using(engine.alias).filter(
            status__in=LIVE_WORKERS, lease_expires_at__gte=engine.now()
        )
        if self.host_id is not None:
            workers = workers.filter(host_id=self.host_id)
        live = list(workers.values_list("queues", flat=True))
        served = [queues for queues in live if self._is_wanted(queues)]
        if served:
            return True, f"{len(served)} live"
        where = "" if self.host_id is None else " on this host"
        what = f" that serves {' or '.join(self.queues)}" if self.queues else ""
        return False, f"no live worker{where}{what}"

    def _is_wanted(self, served: list[str]) -> bool:
        return not self.queues or not served or not set(served).isdisjoint(self.queues)

    def _due(self, engine: Engine) -> tuple[bool, str]:
        since = oldest_due(engine, self.queues)
        if since is None:
            return True, "no job waits"
        age = max(0.0, (engine.now() - since) / timedelta(seconds=1))
        return age <= self.max_age, f"the oldest waits for {age:.0f} s, limit {self.max_age:g} s"


def oldest_due(engine: Engine, queues: Sequence[str] = ()) -> datetime | None:
    """Return since when the oldest due job waits, in these queues or in all; None where none does.

    A waiting job that is due counts, too: with no worker nobody queues it. Jobs of paused queues do
    not: they are meant to wait.
    """
    paused = paused_queues(engine)
    served = [queue for queue in queues or engine.due_queues() if queue not in paused]
    found = [_oldest_queued(engine, queue) for queue in served]
    late = Job.objects.using(engine.alias).filter(
        status__in=sorted(WAITING), run_at__lte=engine.now()
    )
    waiting = late.exclude(queue__in=paused)
    if queues:
        waiting = waiting.filter(queue__in=queues)
    found.append(waiting.order_by("run_at").values_list("run_at", flat=True).first())
    return min((at for at in found if at is not None), default=None)


def _oldest_queued(engine: Engine, queue: str) -> datetime | None:
    """Look at the first job of each priority: that is the order in which the index has them."""
    oldest: datetime | None = None
    queued = Job.objects.using(engine.alias).filter(status=JobStatus.QUEUED, queue=queue)
    best_first = queued.order_by("-priority", "run_at", "id").values_list("priority", "run_at")
    first = best_first.first()
    while first is not None:
        priority, run_at = first
        oldest = run_at if oldest is None else min(oldest, run_at)
        lower = priority > LOWEST
        first = best_first.filter(priority__lt=priority).first() if lower else None
    return oldest


def _words(error: Exception) -> str:
    """Return the first line of what a database said; the rest only repeats it at length."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0]}"
