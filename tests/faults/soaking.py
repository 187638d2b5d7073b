"""Everything at once, for a while: a stream of jobs, and faults drawn from a seed."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import psutil
from django.db import OperationalError, connection, transaction
from django.db.models import Count, Q

from jobs.models import Attempt, Job
from jobs.states import FINAL, RETRYABLE, AttemptStatus

from ..waiting import wait_until
from ..worker.conftest import WorkerProcess
from .fault_jobs import Fails, Works
from .scale import pass_time
from .scene import Baseline, Scene, taken

WORKERS, CONCURRENCY = 3, 4
SETTINGS = {"LEASE": 5, "BEAT": 0.5, "KILL_GRACE": 1, "DRAIN_TIMEOUT": 5}
FAULT_EVERY = 1.0
"""Seconds between two faults, on average."""
LONGEST_FREEZE = 8.0
"""Seconds: beyond the lease."""
PATIENCE = 180.0
"""Seconds all jobs have, after the last fault, to come to an end."""
MOST_RSS, MOST_DESCRIPTORS = 0.25, 3
"""What the supervisor that is spared may gain: its caches fill, and a neighbour's socket is open."""


@dataclass(frozen=True)
class Result:
    jobs: int
    lost: int
    twice: int
    overlap: int
    orphans: int
    rss: float
    """Growth of the supervisor that was never killed: a share of what it took at first."""
    descriptors: int

    @property
    def ok(self) -> bool:
        none = not (self.lost or self.twice or self.overlap or self.orphans)
        return none and self.rss <= MOST_RSS and self.descriptors <= MOST_DESCRIPTORS

    def __str__(self) -> str:
        return (
            f"jobs {self.jobs} lost {self.lost} dup-outcome {self.twice} overlap {self.overlap} "
            f"orphans {self.orphans} rss {self.rss:+.0%} fds {self.descriptors:+}"
        )


class Soak:
    """Workers, of which one is spared, a stream of jobs, and faults among them."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene = scene
        self.random = Random(seed)
        self.faults: dict[str, Callable[[], object]] = {
            "kill worker": lambda: self.victim().process.kill(),
            "kill launcher": lambda: self.below(0).kill(),
            "kill child": lambda: self.below(1).kill(),
            "freeze worker": lambda: self.freeze(psutil.Process(self.victim().pid)),
            "freeze launcher": lambda: self.freeze(self.below(0)),
            "freeze child": lambda: self.freeze(self.below(1)),
            "stop worker": lambda: self.victim().process.terminate(),
            "disturb database": self.disturb,
            "cancel": self.cancel,
            "retry": self.retry,
        }
        self.done: Counter[str] = Counter()
        self.frozen: list[tuple[float, psutil.Process]] = []
        self.spared: WorkerProcess | None = None
        self.baseline: Baseline | None = None

    def run(self, seconds: float, jobs: int) -> Result:
        """Mix faults into a stream of so many jobs for so long; then let all come to an end."""
        self.spared = self.scene.ready(CONCURRENCY, **SETTINGS)
        began, dispatched, fault_at = time.monotonic(), 0, 0.0
        while (passed := time.monotonic() - began) < seconds:
            self.keep_workers()
            wanted = min(jobs, int(jobs * passed / seconds) + 1)
            dispatched += self.dispatch(wanted - dispatched)
            self.thaw(passed)
            if passed >= fault_at:
                self.strike()
                fault_at = passed + self.random.uniform(0.2, 2 * FAULT_EVERY)
            if self.baseline is None and passed > seconds / 10:
                self.baseline = taken(self.spared)
            pass_time(0.1)
        self.thaw(float("inf"))
        while dispatched < jobs:
            dispatched += self.dispatch(jobs - dispatched)
        self.keep_workers()
        return self.result(jobs)

    # -- jobs --------------------------------------------------------------------------------------

    def dispatch(self, count: int) -> int:
        """Dispatch a mixture of jobs: short, longer, failing, with a grandchild, due later."""
        works, fails = [], []
        for _ in range(count):
            kind = self.random.random()
            if kind < 0.03:
                fails.append(Fails(folder=str(self.scene.folder)))
            elif kind < 0.05:
                works.append(self.scene.works(seconds=2.0, grandchild=True))
            else:
                works.append(self.scene.works(seconds=0.0 if kind < 0.9 else kind / 2))
        later = works[: len(works) // 10]
        try:
            with transaction.atomic():
                Works.dispatch_many(works[len(later) :])
                Works.dispatch_many(later, delay=1.0)
                Fails.dispatch_many(fails)
        except OperationalError:  # SQLite, locked for too long by somebody frozen.
            return 0
        return count

    def cancel(self) -> None:
        some = list(Job.objects.exclude(status__in=FINAL).order_by("-id")[:50])
        self.random.choice(some).cancel()

    def retry(self) -> None:
        some = list(Job.objects.filter(status__in=RETRYABLE).order_by("-id")[:50])
        self.random.choice(some).retry()

    # -- faults ------------------------------------------------------------------------------------

    def strike(self) -> None:
        """Do one of the faults; one whose victim is not there, or has just gone, does not count."""
        name = self.random.choice(list(self.faults))
        with suppress(psutil.NoSuchProcess, IndexError, OperationalError, sqlite3.OperationalError):
            self.faults[name]()
            self.done[name] += 1

    def victim(self) -> WorkerProcess:
        """Return a worker that may be hurt. Raises IndexError where there is none."""
        return self.random.choice([one for one in self.scene.live() if one is not self.spared])

    def below(self, depth: int) -> psutil.Process:
        """Return some worker's launcher, or with depth 1 one of its children; the spared one's, too."""
        found = psutil.Process(self.random.choice(self.scene.live()).pid)
        for _ in range(depth + 1):
            found = self.random.choice(found.children())
        return found

    def freeze(self, process: psutil.Process) -> None:
        process.suspend()
        until = time.monotonic() + self.random.uniform(0.2, LONGEST_FREEZE)
        self.frozen.append((until, process))

    def thaw(self, passed: float) -> None:
        now = float("inf") if passed == float("inf") else time.monotonic()
        for until, process in [one for one in self.frozen if one[0] <= now]:
            self.frozen.remove((until, process))
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def disturb(self) -> None:
        """End every other connection; on SQLite, where there is none, hold the lock for a while."""

        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=10)) as other:
                other.execute("BEGIN IMMEDIATE")
                pass_time(self.random.uniform(0.2, 3.0))
            return
        with connection.cursor() as cursor:
            cursor.execute(OTHERS[connection.vendor])
            for (pid,) in cursor.fetchall():
                with suppress(Exception):  # It has gone by itself.
                    cursor.execute(END[connection.vendor].format(pid))

    def keep_workers(self) -> None:
        """Start a worker for each that has gone."""
        for _ in range(WORKERS - len(self.scene.live())):
            self.scene.worker(*self.arguments(), **SETTINGS)

    def arguments(self) -> tuple[str, str]:
        return ("--concurrency", str(CONCURRENCY))

    # -- what has become of it ---------------------------------------------------------------------

    def result(self, jobs: int) -> Result:
        opened = Job.objects.exclude(status__in=FINAL)
        with suppress(AssertionError):
            wait_until(lambda: not opened.exists(), PATIENCE)
        with suppress(AssertionError):
            wait_until(lambda: not self.scene.orphans(), 5.0)
        missing = jobs - Job.objects.count()
        completed = Count("attempts", filter=Q(attempts__status=AttemptStatus.COMPLETED))
        twice = Job.objects.annotate(times=completed).filter(times__gt=1).count()
        running = Attempt.objects.filter(status=AttemptStatus.RUNNING).exclude(job__in=opened)
        with suppress(AssertionError):  # Its last new children may be on their way.
            wait_until(lambda: self.growth()[1] <= 0, 5.0)
        rss, descriptors = self.growth()
        starts = sorted((one.job, one.attempt) for one in self.scene.effects("start"))
        return Result(
            jobs=jobs,
            lost=opened.count() + max(0, missing),
            twice=twice + running.count() + sum(one == other for one, other in pairwise(starts)),
            overlap=len(self.scene.effects("overlap")),
            orphans=len(self.scene.orphans()),
            rss=rss,
            descriptors=descriptors,
        )

    def growth(self) -> tuple[float, int]:
        """Return what the spared supervisor has gained since it was warm: share of memory, descriptors."""

        assert self.spared is not None
        assert self.spared.process.poll() is None, self.spared.output()[-3000:]
        now, before = taken(self.spared), self.baseline or taken(self.spared)
        return now.rss / before.rss - 1, now.descriptors - before.descriptors


OTHERS = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    "mysql": "SELECT id FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}
END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}
