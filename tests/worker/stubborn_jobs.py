"""Job classes that once took a worker down, or leaked into the next job."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

from jobs import BackgroundJob

from ..sample_jobs import note

logger = logging.getLogger(__name__)


class Shouts(BackgroundJob):
    """Logs long records from several threads, as fast as it can."""

    seconds: float = 60.0
    threads: int = 1

    def handle(self) -> None:
        end = time.monotonic() + self.seconds
        others = [threading.Thread(target=self.shout, args=(end,)) for _ in range(self.threads - 1)]
        for thread in others:
            thread.start()
        self.shout(end)
        for thread in others:
            thread.join()

    def shout(self, end: float) -> None:
        while time.monotonic() < end:
            logger.info("x" * 60_000)


class HoldsTransaction(BackgroundJob):
    seconds: float
    after: float = 0.0

    def handle(self) -> None:
        from django.db import transaction

        from jobs.models import Queue

        time.sleep(self.after)
        with transaction.atomic():
            Queue.objects.create(name="held")
            time.sleep(self.seconds)


class Leaks(BackgroundJob):
    """Leaves something that only a look at Python's own state finds."""

    what: str

    def handle(self) -> int:
        self.LEAVE[self.what]()
        return os.getpid()

    LEAVE: ClassVar[dict[str, Callable[[], object]]] = {
        "executor": lambda: ThreadPoolExecutor(1).submit(time.sleep, 600),
        "stdout object": lambda: setattr(sys, "stdout", io.StringIO()),
        "alarm": lambda: signal.alarm(600),
        "signal mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]),
        "nothing": lambda: None,
    }


class SpeaksNonsense(BackgroundJob):
    """Writes into every socket of its process: one of them leads to the worker."""

    max_attempts = 1

    def handle(self) -> None:
        for name in os.listdir("/proc/self/fd"):
            try:
                if "socket" in os.readlink(f"/proc/self/fd/{name}"):
                    os.write(int(name), b"nonsense\n")
            except OSError:
                continue
        time.sleep(60)


class FailsWhenTold(BackgroundJob):
    """Fails as soon as a file is there; its hook says so."""

    log: str
    go: str
    max_attempts = 1

    def handle(self) -> None:
        note(self.log, f"started {os.getpid()}")
        while not Path(self.go).exists():
            time.sleep(0.02)
        raise ValueError("as told")

    def failed(self, exception: BaseException) -> None:
        note(self.log, "failed")


class MeasuresArgument(BackgroundJob):
    """Returns how long its argument is."""

    timeout = 5.0
    text: str = ""

    def handle(self) -> int:
        return len(self.text)
