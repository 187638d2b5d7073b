"""The jobs of the reference project: one for each thing that can become of a job.

A module named `jobs` in any installed app is found by itself. Read them as examples; `samples.py`
dispatches them.
"""

from __future__ import annotations

import csv
import ctypes
import io
import logging
import subprocess
import sys
import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection

from jobs import BackgroundJob, JobCancelled

from .models import Contact

logger = logging.getLogger(__name__)

MIB = 1024 * 1024


class ImportContacts(BackgroundJob):
    """Read a list of contacts, check every row, and store the good ones.

    Running it twice stores nothing twice: a known address gets the name of the newer list.
    """

    tags = ["contacts"]

    csv_text: str
    """A header with `name` and `email`, then one row per contact."""

    def handle(self) -> dict[str, Any]:
        rows = list(csv.DictReader(io.StringIO(self.csv_text)))
        if not rows or not {"name", "email"} <= rows[0].keys():
            # More attempts would read the same text: say so once, and stop.
            self.fail("the list needs a header with the columns name and email, and rows below it")
        contacts: dict[str, Contact] = {}
        rejected: list[str] = []
        for number, row in enumerate(rows, start=1):
            email = (row["email"] or "").strip().lower()
            try:
                validate_email(email)
            except ValidationError as error:
                rejected.append(f"row {number}: {error.message} ({email!r})")
            else:
                contacts[email] = Contact(email=email, name=(row["name"] or "").strip())
            self.progress(number, len(rows), "rows checked")
        result = {"stored": len(contacts), "rejected": rejected}
        # The contacts and the news that the job is completed are committed together, or not at all.
        with self.complete_in_transaction(result):
            # MySQL knows the columns that make a conflict, and refuses to be told.
            named = connection.features.supports_update_conflicts_with_target
            Contact.objects.bulk_create(
                contacts.values(),
                update_conflicts=True,
                unique_fields=["email"] if named else None,
                update_fields=["name"],
            )
        return result


class FlakyJob(BackgroundJob):
    """Fail twice, as a service that is briefly away makes a job fail, then succeed."""

    retry_delay = [5, 10]

    def handle(self) -> str:
        if self.attempt < 3:
            raise ConnectionError(f"attempt {self.attempt}: the service does not answer")
        return f"answered at attempt {self.attempt}"


class AlwaysFails(BackgroundJob):
    """Fail at each attempt, until none is left."""

    max_attempts = 2
    retry_delay = 5

    reason: str = "this one never works"

    def handle(self) -> None:
        raise RuntimeError(self.reason)

    def failed(self, exception: BaseException) -> None:
        """Runs once, after the last attempt."""
        logger.error("Giving up on job %s: %s", self.job_id, exception)


class LongJob(BackgroundJob):
    """Work for a while and show how far it is; clean up when somebody cancels it."""

    timeout = 3600

    seconds: int = 60

    def handle(self) -> None:
        try:
            for second in range(1, self.seconds + 1):
                time.sleep(1)
                self.progress(second, self.seconds, "seconds worked")
        except JobCancelled:
            logger.warning("Cancelled: putting things back as they were")
            raise


class ChattyJob(BackgroundJob):
    """Write much, in every way a job can: it all ends up in the attempt's log."""

    lines: int = 200

    def handle(self) -> None:
        for number in range(1, self.lines + 1):
            print(f"line {number} of {self.lines} on standard output")
            print(f"line {number} of {self.lines} on standard error", file=sys.stderr)
            logger.info("record %s of %s", number, self.lines)
            time.sleep(0.05)
        logger.warning("a warning")
        logger.error("an error")
        subprocess.run([sys.executable, "-c", "print('and this is a child program')"], check=True)


class MemoryHog(BackgroundJob):
    """Ask for more and more memory; its limit ends it, and nobody else notices."""

    max_attempts = 1
    memory_limit = 256 * MIB

    mebibytes: int = 2048

    def handle(self) -> None:
        held = []
        for taken in range(0, self.mebibytes, 16):
            held.append(b"\xff" * (16 * MIB))
            self.progress(taken + 16, self.mebibytes, "MiB taken")
            time.sleep(0.05)


class Segfaults(BackgroundJob):
    """Crash the interpreter itself, as a broken C extension does. It costs one attempt."""

    max_attempts = 1

    def handle(self) -> None:
        ctypes.string_at(0)


class Reminder(BackgroundJob):
    """Something to do later: dispatched with `delay=` or `run_at=`."""

    text: str

    def handle(self) -> str:
        logger.info("Reminder: %s", self.text)
        return self.text


class RemindAll(BackgroundJob):
    """Dispatch a job for each of many: they tell which job they came from, and this one shows them.

    Its tags are built from its arguments, and find it again among all others.
    """

    names: list[str]

    def tags(self) -> list[str]:
        return ["reminders", *(f"for:{name}" for name in self.names[:3])]

    def handle(self) -> int:
        reminders = [Reminder(text=f"write to {name}") for name in self.names]
        return len(Reminder.dispatch_many(reminders, tags=["reminders"]))
