"""The scene of a fault: its workers, and what their jobs have noted outside the database."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import psutil
from django.db import InterfaceError, OperationalError, connection

from jobs.models import Job
from jobs.states import FINAL
from jobs.worker.processes import birth_mark, boottime, children, descendants, is_zombie, resident

from ..waiting import wait_until
from ..worker.conftest import StartWorker, WorkerProcess
from .fault_jobs import Works

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


@dataclass
class Baseline:
    descriptors: int
    rss: int


def patiently(ask: Callable[[], T]) -> T | None:
    """Return what a query gives; None, on a connection to be opened anew, where it cannot be asked."""
    try:
        return ask()
    except (OperationalError, InterfaceError):
        connection.close()
        return None


class Scene:
    def __init__(self, start: StartWorker, folder: Path, variables: dict[str, str]) -> None:
        self.start = start
        self.folder = folder
        self.token = variables[TOKEN] = uuid4().hex
        self.workers: list[WorkerProcess] = []
        self.baselines: dict[int, Baseline] = {}
        self.unfinished: set[int] = set()
        """Jobs that are meant to be still waiting at the end."""

    # -- workers -----------------------------------------------------------------------------------

    def worker(self, *arguments: str, **settings: object) -> WorkerProcess:
        process = self.start(*arguments, **settings)
        self.workers.append(process)
        return process

    def ready(self, size: int = 2, *arguments: str, **settings: Any) -> WorkerProcess:
        """Start a worker of `size` processes, wait until it has them, and remember what it takes."""
        process = self.worker("--concurrency", str(size), *arguments, **settings)
        wait_until(lambda: is_complete(process, size), 60.0, process.output)
        self.baselines[process.pid] = taken(process)
        return process

    def live(self) -> list[WorkerProcess]:
        return [one for one in self.workers if one.process.poll() is None]

    # -- jobs --------------------------------------------------------------------------------------

    def works(self, **fields: object) -> Works:
        return Works(folder=str(self.folder), **fields)  # type: ignore[arg-type]

    def dispatch(self, count: int, **fields: object) -> list[Job]:
        return Works.dispatch_many([self.works(**fields) for _ in range(count)])

    def finish(self, *jobs: Job, deadline: float = 60.0) -> list[Job]:
        """Wait until these jobs, all if none is named, are in a final state; return them."""
        wait_until(lambda: patiently(lambda: not self._open(jobs)), deadline, lambda: self.story())
        return list(Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("pk"))

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
        path = self.folder / "effects"
        found = []
        for line in path.read_text().splitlines() if path.exists() else []:
            what, job, attempt, pid, mark, at = line.split()
            found.append(Effect(what, int(job), int(attempt), int(pid), float(mark), float(at)))
        return [one for one in found if not whats or one.what in whats]

    def started(
        self, jobs: Iterable[Job], attempt: int = 1, deadline: float = 30.0
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
        """Return the processes of this scene that are below no live worker, or that nobody reaps."""
        owned = {pid for one in self.live() for pid in (one.pid, *descendants(one.pid))}
        noted = {one.pid for one in self.effects() if one.pid not in owned and one.lives()}
        noted |= {one.pid for one in self.effects("grandchild") if one.lives()}
        marked = {one.pid for one in psutil.process_iter() if one.pid not in owned | {os.getpid()}}
        return sorted(noted | {pid for pid in marked if self._is_marked(pid)})

    def describe_orphans(self) -> list[str]:
        """Return a line for each: what it is, whose child, and whether asleep, stopped or dead."""
        found = []
        for pid in self.orphans():
            with suppress(psutil.NoSuchProcess):
                one = psutil.Process(pid)
                line = " ".join(one.cmdline())
                found.append(f"{pid} of {one.ppid()}, {one.status()}: {line}")
        return found

    def _is_marked(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                return f"{TOKEN}={self.token}".encode() in environment.read()
        except OSError:
            return False


def is_complete(process: WorkerProcess, size: int) -> bool:
    """Whether a worker is known to the others and has all its job processes."""
    if "worker_registered" not in process.output():
        return False
    return len(children(launcher_of(process))) == size


def taken(process: WorkerProcess) -> Baseline:
    """Return what a supervisor takes of the machine now."""
    return Baseline(len(os.listdir(f"/proc/{process.pid}/fd")), resident(process.pid))


def launcher_of(process: WorkerProcess) -> int:
    (pid,) = children(process.pid)
    return pid


def until_gone(effects: list[Effect], since: float, deadline: float = 10.0) -> float:
    """Wait until these processes are gone, and return how many seconds after `since` they were."""
    wait_until(lambda: not any(one.lives() for one in effects), deadline, "processes live on")
    return boottime() - since
