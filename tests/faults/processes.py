"""The processes of a scene: which of them belong there, and what a worker takes of the machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil

from jobs.worker.processes import birth_mark, children, is_zombie, resident
from jobs.worker.remains import Owner, carriers

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import WorkerProcess, launcher_of


class Taken(NamedTuple):
    """What a process takes of the machine."""

    descriptors: int
    rss: int


def taken(pid: int) -> Taken:
    return Taken(len(os.listdir(f"/proc/{pid}/fd")), resident(pid))


def open_files(pid: int) -> str:
    """Describe what a process has open, for a message about too much of it."""
    found: Counter[str] = Counter()
    for name in os.listdir(folder := f"/proc/{pid}/fd"):
        with suppress(OSError):
            found[os.readlink(f"{folder}/{name}").split("[")[0]] += 1
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items()))


class Costs(NamedTuple):
    """What the two lasting processes of a worker take."""

    supervisor: Taken
    launcher: Taken
    launcher_pid: int


def costs(process: WorkerProcess) -> Costs:
    """Return what a worker takes now. Raises OSError or ValueError while its launcher is being replaced."""
    launcher = launcher_of(process)
    return Costs(taken(process.pid), taken(launcher), launcher)


def costs_at_rest(process: WorkerProcess) -> Costs:
    """Return what a worker takes once that no longer changes: whoever forks has more open at that moment."""
    last = None

    def look() -> Costs | None:
        nonlocal last
        now = costs(process)
        before, last = last, (now.supervisor.descriptors, now.launcher.descriptors)
        return now if before == last else None

    return wait_until(look, DEADLINE, process.output, interval=0.1)  # type: ignore[return-value]


def size_of(process: WorkerProcess) -> int:
    """Return how many job processes a worker was told to have."""
    arguments: list[str] = list(process.process.args)  # type: ignore[arg-type]
    *_, last = (place for place, one in enumerate(arguments) if one == "--concurrency")
    return int(arguments[last + 1])


def belonging(process: WorkerProcess) -> Iterator[int]:
    """Yield what a worker without a job consists of: supervisor, launcher, as many job processes as it should.

    What its launcher has adopted from jobs does not belong, nor does anything further down.
    """
    yield process.pid
    for launcher in children(process.pid)[:1]:
        yield launcher
        leaders = [pid for pid in children(launcher) if is_leader(pid)]
        yield from sorted(leaders, key=lambda pid: birth_mark(pid) or 0.0)[: size_of(process)]


def is_leader(pid: int) -> bool:
    """Whether a process has a session of its own, as those of jobs have."""
    with suppress(ProcessLookupError):
        return os.getsid(pid) == pid
    return False


def started_by(owners: Container[Owner]) -> set[int]:
    """Return the living processes with the mark of one of these supervisors, which no job can take off."""
    return {pid for pid, owner in carriers() if owner in owners}


def zombies(pids: Iterable[int]) -> set[int]:
    """Return which of these have ended without anybody having asked for their status."""
    return {pid for pid in pids if is_zombie(pid) and psutil.pid_exists(pid)}


def environment_has(pid: int, text: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as environment:
            return text.encode() in environment.read()
    except OSError:
        return False


def describe(pids: Iterable[int]) -> list[str]:
    """Return a line for each: what it is, whose child, and whether asleep, stopped or dead."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            one = psutil.Process(pid)
            line = " ".join(one.cmdline())
            found.append(f"{pid} of {one.ppid()}, {one.status()}: {line}")
    return found
