"""Job classes that are looked at while they run."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from contextlib import suppress

from jobs import BackgroundJob
from jobs.worker.processes import DUMP_SIGNAL


class Waits(BackgroundJob):
    """Says so, waits in two threads, and ends when one of them has waited for so many seconds."""

    seconds: float

    def handle(self) -> str:
        sys.stdout.write("waiting\n")
        other = threading.Thread(target=self.wait_in_thread)
        other.start()
        self.wait_in_main()
        other.join()
        return "undisturbed"

    def wait_in_thread(self) -> None:
        time.sleep(self.seconds)

    def wait_in_main(self) -> None:
        time.sleep(self.seconds)


class HoldsLock(BackgroundJob):
    """Stays in C code that keeps the interpreter's lock and looks at no signal."""

    def handle(self) -> None:
        sys.stdout.write("counting\n")
        sum(itertools.repeat(1, 10**11))


class DropsHandler(BackgroundJob):
    """Would be ended by the signal that asks for its stacks."""

    def handle(self) -> str:
        signal.signal(DUMP_SIGNAL, signal.SIG_DFL)
        sys.stdout.write("waiting\n")
        time.sleep(3)
        return "undisturbed"


class TakesHandler(BackgroundJob):
    def handle(self) -> None:
        signal.signal(DUMP_SIGNAL, lambda *_: None)


class TakesMore(BackgroundJob):
    """Takes memory and CPU for about so many seconds."""

    max_attempts = 1
    memory_limit = 1024 * 1024 * 1024
    seconds: float
    fails: bool = False

    def handle(self) -> None:
        end = time.monotonic() + self.seconds
        kept = []
        while time.monotonic() < end:
            kept.append(bytearray(1024 * 1024))
            with suppress(ValueError):
                kept.index(bytearray(b"no such"))
            time.sleep(0.05)
        if self.fails:
            raise ValueError("as asked")
