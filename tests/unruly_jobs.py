"""Job classes that kill their process, take much of the machine, or leave something behind.

`log` is as in `sample_jobs`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from jobs import BackgroundJob
from jobs.models import Queue

from .sample_jobs import MIB, note


class IgnoresTerm(BackgroundJob):
    log: str

    def handle(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(self.log, f"started {os.getpid()}")
        while True:
            try:
                time.sleep(60)
            except BaseException:
                note(self.log, "ignored")


class StartsDaemon(BackgroundJob):
    """Leaves a process in a session of its own behind, forked twice, with all its ties cut."""

    log: str
    seconds: float = 60.0

    def handle(self) -> None:
        program = (
            "import os, time\n"
            "if os.fork(): os._exit(0)\n"
            "os.setsid()\n"
            "if os.fork(): os._exit(0)\n"
            f"open({self.log!r}, 'a').write(f'daemon {{os.getpid()}}\\n')\n"
            "time.sleep(600)\n"
        )
        command = [sys.executable, "-c", program]
        subprocess.run(command, env={}, stdout=subprocess.DEVNULL, check=True)
        while "daemon" not in Path(self.log).read_text() if Path(self.log).exists() else True:
            time.sleep(0.01)
        note(self.log, f"started {os.getpid()}")
        time.sleep(self.seconds)


class Exits(BackgroundJob):
    code: int
    max_attempts = 1

    def handle(self) -> None:
        os._exit(self.code)


class ExitsPolitely(BackgroundJob):
    max_attempts = 1

    def handle(self) -> None:
        sys.exit(3)


class Segfaults(BackgroundJob):
    max_attempts = 1

    def handle(self) -> None:
        ctypes.string_at(0)


class Grows(BackgroundJob):
    """Takes ever more memory."""

    max_attempts = 1
    memory_limit = 200 * MIB

    def handle(self) -> None:
        kept = []
        while True:
            kept.append(bytearray(os.urandom(1) * (8 * MIB)))
            time.sleep(0.01)


class Burns(BackgroundJob):
    """Uses a second of CPU and 100 MiB of memory."""

    def handle(self) -> None:
        taken = bytearray(b"x" * (100 * MIB))
        end = time.process_time() + 1.0
        while time.process_time() < end:
            taken[0] ^= 1


class LeavesBehind(BackgroundJob):
    """Leaves its process other than it found it."""

    what: str

    def handle(self) -> int:
        LEAVE[self.what]()
        return os.getpid()


def begin_transaction() -> None:
    connection.set_autocommit(False)
    Queue.objects.count()


LEAVE: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "directory": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(LEFT="behind"),
    "umask": lambda: os.umask(0),
    "signal": lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
    "process": lambda: subprocess.Popen(["sleep", "600"]),
    "thread": lambda: threading.Thread(target=time.sleep, args=(600,)).start(),
    "stdout": lambda: os.close(1),
    "transaction": begin_transaction,
    "mark": lambda: resource.setrlimit(resource.RLIMIT_RTTIME, (1 << 40, resource.RLIM_INFINITY)),
}


class KillsLauncher(BackgroundJob):
    log: str
    retry_delay = 0
    max_attempts = 2

    def handle(self) -> None:
        note(self.log, f"{self.attempt}")
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
