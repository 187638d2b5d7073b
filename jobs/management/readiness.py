"""What keeps a worker from starting, and what is only to be said."""

from __future__ import annotations

from django.core.checks import run_checks
from django.core.management.base import CommandError, OutputWrapper

from ..checks import TAG

REFUSED = {"jobs.E001", "jobs.E002", "jobs.E005", "jobs.E007", "jobs.W002"}
"""Settings nothing can be done with, and a SQLite database that would lose writes."""


def check_ready(stderr: OutputWrapper) -> None:
    """Print what the system checks of this app find, without opening a connection.

    Raises CommandError where a worker must not start. A jobs module that cannot be imported does
    not keep the jobs of the others from running.
    """
    found = run_checks(tags=[TAG])
    for message in found:
        stderr.write(f"{message}")
    refused = [message for message in found if message.id in REFUSED]
    if refused:
        raise CommandError(
            "the worker does not start: " + " ".join(str(message.msg) for message in refused)
        )
