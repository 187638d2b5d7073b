"""The jobs of the benchmarks. What one does is nothing but a note that it ran."""

from __future__ import annotations

import os
import subprocess
import time

from jobs import BackgroundJob
from jobs.models import Queue

from .effects import END, record, spin


class Noop(BackgroundJob):
    number: int

    def handle(self) -> None:
        record(self.number)


class FreshNoop(Noop):
    isolation = "fresh"


class Query(BackgroundJob):
    """Asks the database one question through the ORM."""

    number: int

    def handle(self) -> None:
        record(self.number)
        Queue.objects.filter(name="default").exists()


class FreshQuery(Query):
    isolation = "fresh"


class Spins(BackgroundJob):
    """Uses one second of CPU time."""

    number: int

    def handle(self) -> None:
        record(self.number)
        spin(1.0)
        record(self.number + END)


class Waits(BackgroundJob):
    """Waits for a program it has started, and ends it when it is cancelled."""

    number: int

    def handle(self) -> None:
        with subprocess.Popen(["sleep", "600"]) as program:
            try:
                record(self.number)
                program.wait()
            finally:
                program.kill()


class Outlives(BackgroundJob):
    """Hangs until its worker is killed; another worker finds it quick."""

    retry_delay = 0

    number: int

    def handle(self) -> int:
        record(self.number)
        if self.attempt == 1:
            time.sleep(600)
        return os.getpid()
