"""Everything at once, for a while: a stream of jobs, and faults in an order drawn from a seed."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import psutil
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Count, Q, QuerySet

from jobs import BackgroundJob
from jobs.models import Attempt, Job
from jobs.states import FINAL, RETRYABLE, AttemptStatus

from ..waiting import wait_until
from ..worker.conftest import WorkerProcess, end_other_connections
from .fault_jobs import WAYS_TO_DIE, Daemonizes, Dies, Fails, Works
from .processes import taken
from .scale import pass_time
from .scene import Scene, patiently

WORKERS, CONCURRENCY = 3, 3
SETTINGS = {"LEASE": 5, "BEAT": 0.5, "KILL_GRACE": 1, "DRAIN_TIMEOUT": 1}
FAULT_EVERY = 0.8
"""Seconds between two faults, on average."""
FREEZE = (6.0, 8.0)
"""Seconds a process is frozen: beyond the lease."""
PRESSES = 10
PATIENCE = 90.0
"""Seconds after the last fault in which some jobs have to come to an end, until all have."""
MOST_RSS, MOST_DESCRIPTORS = 0.1, 1
"""What the supervisor that is spared may gain."""
AWAY = (sqlite3.OperationalError, OperationalError, InterfaceError)
"""What a database that is locked, or has just been ended, answers."""


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
    """Workers, of which one is spared, a stream of jobs, and faults among them.

    `crash` has the server of the database crash and come back; without one there is no such fault.
    """

    def __init__(self, scene: Scene, seed: int, crash: Callable[[], object] | None = None) -> None:
        self.scene = scene
        self.random = Random(seed)
        self.faults: dict[str, Callable[[], object]] = {
            "kill worker": lambda: self.victim().process.kill(),
            "kill launcher": lambda: self.below(0).kill(),
            "kill worker with launcher": self.kill_both,
            "kill child": lambda: self.below(1).kill(),
            "freeze worker": lambda: self.freeze(psutil.Process(self.victim().pid)),
            "freeze launcher": lambda: self.freeze(self.below(0)),
            "freeze child": lambda: self.freeze(self.below(1)),
            "stop worker": lambda: self.victim().process.terminate(),
            "lock database" if connection.vendor == "sqlite" else "end connections": self.disturb,
            "cancel": self.cancel,
            "cancel daemon": self.cancel_daemon,
            "retry at once": self.retry,
        }
        if crash:
            self.faults["crash database"] = crash
        self.to_come: list[str] = []
        self.done: Counter[str] = Counter()
        self.frozen: list[tuple[float, psutil.Process]] = []
        self.spared: WorkerProcess | None = None
        self.orphans: list[str] = []
        """As described when they were looked for last."""

    def run(self, seconds: float, jobs: int) -> Result:
        """Mix faults into a stream of so many jobs for so long; then let all come to an end."""
        self.spared = self.scene.ready(CONCURRENCY, **SETTINGS)
        began, dispatched, fault_at = time.monotonic(), 0, 0.0
        while (passed := time.monotonic() - began) < seconds or self.is_short_of_faults(
            passed, seconds
        ):
            self.keep_workers()
            wanted = min(jobs, int(jobs * passed / seconds) + 1)
            dispatched += self.dispatch(wanted - dispatched)
            self.thaw(time.monotonic())
            if passed >= fault_at:
                self.strike()
                fault_at = passed + self.random.uniform(0.2, 2 * FAULT_EVERY)
            pass_time(0.1)
        self.thaw(float("inf"))
        while dispatched < jobs:
            dispatched += self.dispatch(jobs - dispatched)
        self.keep_workers()
        self.scene.over()
        return self.result(jobs)

    def is_short_of_faults(self, passed: float, seconds: float) -> bool:
        """Whether some fault has not been there yet, and there is patience left for it."""
        return self.done.keys() != self.faults.keys() and passed < 3 * seconds

    # -- jobs --------------------------------------------------------------------------------------

    def dispatch(self, count: int) -> int:
        """Dispatch a mixture of jobs; return how many. None on SQLite locked too long by somebody frozen."""
        return patiently(lambda: self._dispatch(count)) or 0

    def _dispatch(self, count: int) -> int:
        folder = str(self.scene.folder)
        works: list[Works] = []
        others: list[BackgroundJob] = []
        for _ in range(count):
            kind = self.random.random()
            if kind < 0.03:
                others.append(Fails(folder=folder))
            elif kind < 0.05:
                others.append(Dies(folder=folder, how=self.random.choice(WAYS_TO_DIE)))
            elif kind < 0.07:
                others.append(Daemonizes(folder=folder, seconds=4.0))
            elif kind < 0.09:
                works.append(self.scene.works(seconds=3.0, grandchild=True))
            else:
                works.append(self.scene.works(seconds=0.0 if kind < 0.9 else kind / 2))
        later = works[: len(works) // 10]
        with transaction.atomic():
            Works.dispatch_many(works[len(later) :])
            Works.dispatch_many(later, delay=1.0)
            for one in others:
                one.dispatch()
        return count

    def cancel(self) -> None:
        some = list(Job.objects.exclude(status__in=FINAL).order_by("-id")[:50])
        self.random.choice(some).cancel()

    def cancel_daemon(self) -> None:
        """Cancel a job that has a daemon by now: without session, environment or open file of its own."""
        daemons = {one.job for one in self.scene.effects("grandchild") if one.lives()}
        some = Job.objects.filter(pk__in=daemons, job_class="tests.Daemonizes", status="running")
        if not some:  # The next time there will be one.
            Daemonizes(folder=str(self.scene.folder), seconds=4.0).dispatch(priority=50)
        self.random.choice(list(some)).cancel()

    def retry(self) -> None:
        """Have several people retry the same job at once."""
        some = list(Job.objects.filter(status__in=RETRYABLE).order_by("-id")[:50])
        job = self.random.choice(some)
        with ThreadPoolExecutor(PRESSES) as pool:
            moved = list(pool.map(lambda _: press(job.pk), range(PRESSES)))
        assert any(moved), f"nobody could retry {job}"

    # -- faults ------------------------------------------------------------------------------------

    def strike(self) -> None:
        """Do the next fault; each comes once before any comes again.

        One whose victim is not there, or has just gone, does not count, and is tried again later.
        """
        if not self.to_come:
            self.to_come = self.random.sample(list(self.faults), len(self.faults))
        name = self.to_come.pop()
        try:
            self.faults[name]()
        except (psutil.NoSuchProcess, IndexError):
            self.to_come.insert(0, name)
        except AWAY:
            connection.close()
            self.to_come.insert(0, name)
        else:
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

    def kill_both(self) -> None:
        """Leave nobody to end what the jobs have started, but other workers of this machine."""
        worker = self.victim()
        below = psutil.Process(worker.pid).children()
        worker.process.kill()
        for launcher in below:
            launcher.kill()

    def freeze(self, process: psutil.Process) -> None:
        process.suspend()
        self.frozen.append((time.monotonic() + self.random.uniform(*FREEZE), process))

    def thaw(self, now: float) -> None:
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
        end_other_connections()

    def keep_workers(self) -> None:
        """Start a worker for each that has gone."""
        for _ in range(WORKERS - len(self.scene.live())):
            self.scene.worker("--concurrency", str(CONCURRENCY), **SETTINGS)

    # -- what has become of it ---------------------------------------------------------------------

    def result(self, jobs: int) -> Result:
        opened = Job.objects.exclude(status__in=FINAL)
        self.let_end(opened)
        with suppress(AssertionError):
            wait_until(lambda: not self.look_for_orphans(), 5.0)
        missing = self.scene.dispatched - set(Job.objects.values_list("pk", flat=True))
        completed = Count("attempts", filter=Q(attempts__status=AttemptStatus.COMPLETED))
        twice = Job.objects.annotate(times=completed).filter(times__gt=1).count()
        running = Attempt.objects.filter(status=AttemptStatus.RUNNING).exclude(job__in=opened)
        with suppress(AssertionError):  # New children, or a new launcher, may be on their way.
            wait_until(lambda: self.growth()[1] == 0)
        rss, descriptors = self.growth()
        starts = sorted((one.job, one.attempt) for one in self.scene.effects("start"))
        return Result(
            jobs=jobs,
            lost=opened.count() + len(missing),
            twice=twice + running.count() + sum(one == other for one, other in pairwise(starts)),
            overlap=len(self.scene.effects("overlap")),
            orphans=len(self.orphans),
            rss=rss,
            descriptors=descriptors,
        )

    def let_end(self, opened: QuerySet[Job]) -> None:
        """Wait until no job is open, for as long as there are ever fewer: a backlog is not a loss."""
        left, now = float("inf"), patiently(opened.count)
        while now and now < left:
            with suppress(AssertionError):
                wait_until(lambda: patiently(lambda: not opened.exists()), PATIENCE)
            left, now = now, patiently(opened.count)

    def look_for_orphans(self) -> list[str]:
        self.orphans = self.scene.describe_orphans()
        return self.orphans

    def growth(self) -> tuple[float, int]:
        """Return what the spared supervisor has gained since it was ready: share of memory, descriptors."""
        assert self.spared is not None
        assert self.spared.process.poll() is None, self.spared.output()[-3000:]
        now, before = taken(self.spared.pid), self.scene.baselines[self.spared.pid].supervisor
        return now.rss / before.rss - 1, now.descriptors - before.descriptors


def press(pk: int) -> bool:
    """Retry a job on a connection of this thread."""
    try:
        return bool(patiently(lambda: Job.objects.get(pk=pk).retry()))
    finally:
        connection.close()
