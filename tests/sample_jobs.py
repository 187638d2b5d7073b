"""Small job classes for tests: one for each way a job can behave; the worst ways are in `unruly_jobs`.

`log` is the path of a file to which a job adds a line when it starts; what is written there has
happened, whatever the database says.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from jobs import BackgroundJob, JobCancelled, JobTimeout
from jobs.models import Queue

logger = logging.getLogger(__name__)
MIB = 1024 * 1024


def note(log: str, text: str) -> None:
    """Add a line to a file in one write, as several processes may do at once."""
    with Path(log).open("a") as file:
        file.write(f"{text}\n")


class Returns(BackgroundJob):
    value: Any = None

    def handle(self) -> Any:
        return self.value


class Notes(BackgroundJob):
    """Writes its job id and process id, and takes its time."""

    log: str
    seconds: float = 0.0

    def handle(self) -> None:
        note(self.log, f"{self.job_id} {os.getpid()}")
        time.sleep(self.seconds)


class NotesFresh(Notes):
    isolation = "fresh"


class DispatchesAnother(BackgroundJob):
    """Dispatch a job while it runs, and one more after it has failed."""

    max_attempts = 1

    def handle(self) -> None:
        Returns(value="from handle()").dispatch()
        raise ValueError

    def failed(self, exception: BaseException) -> None:
        Returns(value="from failed()").dispatch()


class Raises(BackgroundJob):
    max_attempts = 2
    retry_delay = 0
    message: str = "as asked"

    def handle(self) -> None:
        raise ValueError(self.message)


class FailsUntil(BackgroundJob):
    """Fails until its attempt of this number."""

    attempt_that_works: int
    retry_delay = 0

    def handle(self) -> int:
        if self.attempt < self.attempt_that_works:
            raise RuntimeError(f"attempt {self.attempt} fails")
        return self.attempt


class ChoosesDelay(BackgroundJob):
    max_attempts = 2

    def retry_delay(self, attempt: int, exception: BaseException) -> float:
        return 1000.0 + attempt + len(str(exception))

    def handle(self) -> None:
        raise RuntimeError("seven !")


class Says(BackgroundJob):
    """Speaks in every way a program can."""

    def handle(self) -> None:
        print("by print")
        logger.info("by logging")
        logger.debug("too quiet")
        try:
            raise KeyError("inside")
        except KeyError:
            logger.exception("with traceback")
        print("by stderr", file=sys.stderr)
        subprocess.run(["sh", "-c", "echo by a program"], check=True)
        os.write(1, b"by the descriptor\n")
        ctypes.CDLL(None).puts(b"by C")


class Floods(BackgroundJob):
    """Writes so many MiB: a first line, a lot, a last line."""

    mebibytes: int

    def handle(self) -> None:
        os.write(1, b"first line\n")
        for _ in range(self.mebibytes * 16):
            left = memoryview(b"x" * 65535 + b"\n")
            while left:
                left = left[os.write(1, left) :]
        os.write(1, b"last line\n")


class WritesBytes(BackgroundJob):
    def handle(self) -> None:
        os.write(1, bytes(range(256)) + "ü\0€\n".encode())


class Sleeps(BackgroundJob):
    """Lets itself be interrupted, and says by what."""

    log: str
    seconds: float = 60.0

    def handle(self) -> Any:
        note(self.log, f"started {os.getpid()}")
        try:
            time.sleep(self.seconds)
        except JobCancelled:
            note(self.log, "cancelled")
            raise
        except JobTimeout:
            note(self.log, "timeout")
            raise


class SleepsAtFirst(Sleeps):
    """Later attempts return at once."""

    def handle(self) -> Any:
        if self.attempt == 1:
            return super().handle()
        return note(self.log, f"again {os.getpid()}")


class SleepsShortly(Sleeps):
    timeout = 0.5
    max_attempts = 1


class SwallowsCancel(Sleeps):
    """Returns as if nothing had happened."""

    def handle(self) -> str:
        with suppress(JobCancelled):
            super().handle()
        return "done"


class SleepsAsync(Sleeps):
    async def handle(self) -> None:
        note(self.log, f"started {os.getpid()}")
        try:
            await asyncio.sleep(self.seconds)
        except JobCancelled:
            note(self.log, "cancelled")
            raise


class AsyncReturns(BackgroundJob):
    async def handle(self) -> int:
        await asyncio.sleep(0)
        return await Queue.objects.acount()


class Postpones(BackgroundJob):
    def handle(self) -> None:
        self.retry_later(3600)


class GivesUp(BackgroundJob):
    max_attempts = 5

    def handle(self) -> None:
        self.fail("no use")


class ReturnsObject(BackgroundJob):
    def handle(self) -> object:
        return object()


class Progresses(BackgroundJob):
    def handle(self) -> None:
        for step in range(1, 11):
            self.progress(step, 10, f"step {step}")


class Identifies(BackgroundJob):
    def handle(self) -> dict[str, Any]:
        main = threading.current_thread() is threading.main_thread()
        key = self.idempotency_key
        return {"job_id": self.job_id, "attempt": self.attempt, "key": key, "main": main}


class WorksThenFails(BackgroundJob):
    """Keeps something on itself for `failed()`, which notes it."""

    log: str
    how: str = "raise"
    max_attempts = 2
    retry_delay = 0

    def handle(self) -> None:
        self.kept = os.getpid()
        if self.how == "raise":
            raise ValueError("no luck")
        os.kill(os.getpid(), signal.SIGKILL)

    def failed(self, exception: BaseException) -> None:
        print("cleaning up")
        same = getattr(self, "kept", None) == os.getpid()
        note(self.log, f"{type(exception).__name__}: {exception}; same process: {same}")


class CompletesInTransaction(BackgroundJob):
    """Enters a queue's name together with its own success, then does as asked."""

    name: str
    then: str = "return"

    def handle(self) -> None:
        with self.complete_in_transaction({"entered": self.name}):
            Queue.objects.create(name=self.name)
        if self.then == "die":
            os.kill(os.getpid(), signal.SIGKILL)


class WritesInTransaction(BackgroundJob):
    """Writes in a transaction of its own and then fails."""

    max_attempts = 1

    def handle(self) -> None:
        with transaction.atomic():
            Queue.objects.create(name="rolled back")
            raise ValueError("undo")


class WritesToSession(BackgroundJob):
    """Says what a setting of its database session is, and changes it."""

    def handle(self) -> str:
        is_mysql = connection.vendor == "mysql"
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@lock_wait_timeout" if is_mysql else "SHOW statement_timeout")
            found = str(cursor.fetchone()[0])
            name = "SESSION lock_wait_timeout" if is_mysql else "statement_timeout"
            cursor.execute(f"SET {name} = 12345")
        return found


class SpeaksAndSleeps(BackgroundJob):
    def handle(self) -> None:
        print("still at it")
        time.sleep(60)
