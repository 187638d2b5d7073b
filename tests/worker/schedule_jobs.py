"""Jobs that wait for a file, so that a test can bring about one order of events."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from django.db import connection

from jobs import BackgroundJob

from ..sample_jobs import note

SESSION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}


def wait_for(path: str) -> None:
    while not Path(path).exists():
        time.sleep(0.02)


class TellsSession(BackgroundJob):
    """Returns the number of its database session, once another one runs beside it."""

    log: str
    max_attempts = 1

    def handle(self) -> int:
        note(self.log, "started")
        while len(Path(self.log).read_text().splitlines()) < 2:
            time.sleep(0.02)
        with connection.cursor() as cursor:
            cursor.execute(SESSION[connection.vendor])
            return int(cursor.fetchone()[0])


class ReturnsMuch(BackgroundJob):
    """Reports more than is read at once, and leaves its process with that."""

    log: str
    go: str
    isolation = "fresh"
    max_attempts = 1

    def handle(self) -> str:
        note(self.log, f"started {os.getpid()}")
        wait_for(self.go)
        return "x" * 150_000


class FailsAtOnce(BackgroundJob):
    """Fails; its hook notes its start and its end, and does as asked in between."""

    log: str
    go: str
    kills: bool = False
    max_attempts = 1

    def handle(self) -> None:
        raise ValueError("as intended")

    def failed(self, exception: BaseException) -> None:
        sys.stdout.write(f"hook of {os.getpid()}\n")
        note(self.log, f"hook begins {os.getpid()}")
        if self.kills:
            os.kill(os.getppid(), signal.SIGKILL)
        wait_for(self.go)
        note(self.log, "hook ends")
