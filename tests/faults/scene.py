"""The scene of a fault: its workers, and what their jobs have noted outside the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import psutil
from django.db import InterfaceError, OperationalError, connection, transaction

from jobs.models import Job
from jobs.states import FINAL
from jobs.worker.processes import birth_mark, boottime, children, descendants, is_zombie
from jobs.worker.remains import Owner

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import StartWorker, WorkerProcess, launcher_of
from .fault_jobs import Works
from .processes import (
    Costs,
    belonging,
    costs_at_rest,
    describe,
    environment_has,
    size_of,
    started_by,
    zombies,
)

TOKEN = "FAULT_SCENE"
"""The variable by which every process of a scene is known."""
T = TypeVar("T")


class Effect(NamedTuple):
    """What a job has noted, when (seconds since boot) and in which process."""

    what: str
    job: int
    attempt: int
    pid: int
    mark: float
    at: float

    def lives(self) -> bool:
        return birth_mark(self.pid) == self.mark and not is_zombie(self.pid)


def patiently(ask: Callable[[], T]) -> T | None:
    """Return what a query gives; None, on a connection to be opened anew, where it cannot be asked."""
    try:
        return ask()
    except (OperationalError, InterfaceError):
        connection.close()
        return None


def noted_in(path: Path) -> list[Effect]:
    """Return what a file of effects holds."""
    found = []
    for line in path.read_text().splitlines():
        what, job, attempt, pid, mark, at = line.split()
        found.append(Effect(what, int(job), int(attempt), int(pid), float(mark), float(at)))
    return found


class Scene:
    def __init__(self, start: StartWorker, folder: Path, variables: dict[str, str]) -> None:
        self.start = start
        self.folder = folder
        self.token = variables[TOKEN] = uuid4().hex
        self.workers: list[WorkerProcess] = []
        self.owners: set[Owner] = set()
        """The workers, as what they start names them."""
        self.baselines: dict[int, Costs] = {}
        self.unfinished: set[int] = set()
        """Jobs that are meant to be still waiting at the end."""
        self.dispatched: set[int] = set()
        self.canaries: list[tuple[int, float]] = []
        """Jobs that were sent when a fault was over, and when (seconds since boot)."""

    # -- workers -----------------------------------------------------------------------------------

    def worker(self, *arguments: str, **settings: object) -> WorkerProcess:
        process = self.start(*arguments, **settings)
        self.enter(process)
        return process

    def enter(self, process: WorkerProcess) -> None:
        """Count a worker among those of this scene."""
        self.workers.append(process)
        self.owners.add(Owner(process.pid, birth_mark(process.pid) or 0.0))

    def ready(self, size: int = 2, *arguments: str, **settings: Any) -> WorkerProcess:
        """Start a worker of `size` processes, wait until it has them, and remember what it takes."""
        process = self.worker("--concurrency", str(size), *arguments, **settings)
        self.measure(process)
        return process

    def measure(self, process: WorkerProcess) -> None:
        """Wait until a worker has its job processes, and remember what it takes."""
        wait_until(lambda: is_complete(process, size_of(process)), 60.0, process.output)
        self.baselines[process.pid] = costs_at_rest(process)

    def live(self) -> list[WorkerProcess]:
        return [one for one in self.workers if one.process.poll() is None]

    # -- jobs --------------------------------------------------------------------------------------

    def note_dispatched(self, job_id: int, **_: object) -> None:
        """Remember a job that was stored, to be held against what there is in the end."""
        transaction.on_commit(lambda: self.dispatched.add(job_id))

    def works(self, **fields: object) -> Works:
        return Works(folder=str(self.folder), **fields)  # type: ignore[arg-type]

    def dispatch(self, count: int, **fields: object) -> list[Job]:
        return Works.dispatch_many([self.works(**fields) for _ in range(count)])

    def finish(self, *jobs: Job, deadline: float = 60.0) -> list[Job]:
        """Wait until these jobs, all if none is named, are in a final state; return them."""
        wait_until(lambda: patiently(lambda: not self._open(jobs)), deadline, lambda: self.story())
        return list(Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk"))

    def over(self) -> None:
        """The fault is over: from here on a job has to be done in time, whatever else is still to be mended."""
        at = boottime()
        if canary := patiently(lambda: self.works().dispatch(priority=100)):
            self.canaries.append((canary.pk, at))

    def _open(self, jobs: Iterable[Job]) -> bool:
        found = Job.objects.exclude(status__in=FINAL).exclude(pk__in=self.unfinished)
        wanted = [job.pk for job in jobs]
        return (found.filter(pk__in=wanted) if wanted else found).exists()

    def story(self) -> str:
        """Return how things stand, for the message of a failure."""
        jobs = Job.objects.exclude(status__in=FINAL).values_list("pk", "status", "interruptions")
        output = [f"-- {one.log.name}\n{one.output()[-3000:]}" for one in self.workers]
        return "\n".join([f"open: {list(jobs[:20])}", *output])

    # -- effects -----------------------------------------------------------------------------------

    def effects(self, *whats: str) -> list[Effect]:
        """Return what was noted of these kinds, in order."""
        paths = [self.folder / "effects", *self.folder.glob("*/effects")]
        found = [one for path in paths if path.exists() for one in noted_in(path)]
        return [one for one in found if not whats or one.what in whats]

    def started(
        self, jobs: Iterable[Job], attempt: int = 1, deadline: float = DEADLINE
    ) -> list[Effect]:
        """Wait until an attempt of this number, or a later one, has started of each of these jobs."""
        wanted = {job.pk for job in jobs}

        def look() -> list[Effect]:
            found = [e for e in self.effects("start") if e.job in wanted and e.attempt >= attempt]
            return found if {one.job for one in found} == wanted else []

        return wait_until(look, deadline, self.story)

    def go(self) -> None:
        """Let the jobs that wait for it go on."""
        (self.folder / "go").touch()

    def stay(self) -> None:
        """Let later jobs wait again."""
        (self.folder / "go").unlink(missing_ok=True)

    # -- processes ---------------------------------------------------------------------------------

    def orphans(self) -> list[int]:
        """Return the processes of this scene that are there while no job runs, and should not be.

        They are known by the environment, by the mark of their worker, or because a job has noted them.
        """
        named = {
            one.pid
            for one in psutil.process_iter()
            if environment_has(one.pid, f"{TOKEN}={self.token}")
        }
        noted = {(one.pid, one.mark): one for one in self.effects()}.values()
        live = self.live()
        below = {pid for one in live for pid in descendants(one.pid)}
        found = named | started_by(self.owners) | below
        found |= {one.pid for one in noted if one.lives()}
        belong = {pid for one in live for pid in (one.process.pid, *belonging(one))}
        return sorted((found - belong) | zombies(below))

    def describe_orphans(self) -> list[str]:
        return describe(self.orphans())


def is_complete(process: WorkerProcess, size: int) -> bool:
    """Whether a worker is known to the others and has all its job processes."""
    if "worker_registered" not in process.output():
        return False
    return len(children(launcher_of(process))) == size


def until_gone(effects: list[Effect], since: float, deadline: float = 10.0) -> float:
    """Wait until these processes are gone, and return how many seconds after `since` they were."""
    wait_until(lambda: not any(one.lives() for one in effects), deadline, "processes live on")
    return boottime() - since
