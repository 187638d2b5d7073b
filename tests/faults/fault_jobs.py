"""Jobs that note what they do where no fault of the database can touch it."""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from jobs import BackgroundJob
from jobs.models import Queue
from jobs.worker.processes import birth_mark, boottime


class Noting(BackgroundJob):
    """Notes its start and its end, and whether another attempt at the same job still runs."""

    abstract = True
    folder: str
    retry_delay: ClassVar[float | None] = 0

    def note(self, what: str, pid: int = 0) -> None:
        pid = pid or os.getpid()
        line = f"{what} {self.job_id} {self.attempt} {pid} {birth_mark(pid)} {boottime()}\n"
        with (Path(self.folder) / "effects").open("a") as file:
            file.write(line)

    @contextmanager
    def noted(self) -> Iterator[None]:
        with (Path(self.folder) / f"{self.job_id}.lock").open("w") as lock:
            try:
                # Held until this process is gone, whatever ends it.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.note("overlap")
            self.note("start")
            yield
            self.note("end")


class Works(Noting):
    """Works for `seconds`, or until the file `go` appears; later attempts of `once` return at once."""

    seconds: float = 0.0
    waits: bool = False
    once: bool = False
    grandchild: bool = False
    holds_gil: bool = False
    writes: bool = False

    def handle(self) -> int:
        with self.noted():
            if not (self.once and self.attempt > 1):
                self.work()
            if self.writes:
                Queue.objects.create(name=f"written by {self.job_id}")
        return os.getpid()

    def work(self) -> None:
        if self.grandchild:
            other = subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
            self.note("grandchild", other.pid)
        if self.holds_gil:
            # PyDLL keeps the lock of the interpreter: nothing else of this process is awake.
            ctypes.PyDLL(None).sleep(int(self.seconds))
            return
        end = time.monotonic() + self.seconds
        while time.monotonic() < end or self.waits:
            if self.waits and (Path(self.folder) / "go").exists():
                return
            time.sleep(0.02)


class Kills(Noting):
    """Kills somebody at its first attempts: its worker, or itself."""

    whom: str
    max_attempts = 3

    def handle(self) -> None:
        with self.noted():
            os.kill(self.victim(), signal.SIGKILL)
            time.sleep(60)

    def victim(self) -> int:
        if self.whom == "worker":
            # The launcher's parent: the fourth field of its line in /proc.
            stat = Path(f"/proc/{os.getppid()}/stat").read_text()
            return int(stat.rpartition(")")[2].split()[1])
        return os.getppid()


class Dies(Noting):
    """Ends its process in one of the ways there are."""

    how: str
    max_attempts = 1

    def handle(self) -> Any:
        with self.noted():
            return {
                "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
                "segfault": lambda: ctypes.string_at(0),
                "exit 0": lambda: os._exit(0),
                "exit 3": lambda: os._exit(3),
                "sys.exit": lambda: sys.exit(3),
                "abort": os.abort,
            }[self.how]()


WAYS_TO_DIE = ["killed", "segfault", "exit 0", "exit 3", "sys.exit", "abort"]


class Fails(Noting):
    """Fails until the file `go` appears, and is retried after the delay of the settings."""

    retry_delay = None
    max_attempts = 2

    def handle(self) -> None:
        with self.noted():
            if not (Path(self.folder) / "go").exists():
                raise RuntimeError("the service it needs is away")


class Queries(Noting):
    """Asks the database for `seconds`, on a connection of its own: it fails when that is ended."""

    seconds: float
    max_attempts = 100

    def handle(self) -> None:
        with self.noted():
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                Queue.objects.count()
                time.sleep(0.01)


class FailsForGood(Fails):
    max_attempts = 1


class Forks(Noting):
    """A chain of processes, each in a session of its own: one forks the next and leaves."""

    generations: int

    def handle(self) -> None:
        with self.noted():
            if os.fork() == 0:
                self.chain()
            time.sleep(600)

    def chain(self) -> None:
        for _ in range(self.generations):
            os.setsid()
            if os.fork():
                os._exit(0)
        time.sleep(600)
        os._exit(0)


class Daemonizes(Noting):
    """Leaves a daemon behind, forked twice: in a session of its own, without environment or open files."""

    seconds: float

    def handle(self) -> None:
        with self.noted():
            reading, writing = os.pipe()
            if (pid := os.fork()) == 0:
                os.setsid()
                if (daemon := os.fork()) == 0:
                    os.closerange(0, writing + 1)
                    os.execve("/bin/sleep", ["sleep", "600"], {})
                os.write(writing, b"%d" % daemon)
                os._exit(0)
            os.waitpid(pid, 0)
            self.note("grandchild", int(os.read(reading, 20)))
            time.sleep(self.seconds)


class Refuses(Noting):
    """Cannot be interrupted: by a signal ignored, everything caught, or a call of C that goes on."""

    how: str

    def handle(self) -> None:
        with self.noted():
            if self.how == "C":
                sum(itertools.repeat(0))
                return
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    self.note("caught")


class Stalls(Noting):
    """Has a timeout, and sleeps through it."""

    timeout = 2.0
    max_attempts = 1

    def handle(self) -> None:
        with self.noted():
            time.sleep(600)


class TakesGigabyte(Noting):
    """Takes a gigabyte of memory, and nobody but the kernel minds."""

    max_attempts = 1

    def handle(self) -> None:
        kept: list[bytes] = []
        with self.noted():
            while len(kept) < 128:
                kept.append(b"x" * (8 * 1024 * 1024))
