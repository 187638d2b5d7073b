"""What keeps a worker from starting, and what is only to be said."""

from __future__ import annotations

from django.core.checks import run_checks
from django.core.management.base import CommandError, OutputWrapper
from django.db import Error, connections

from ..checks import TAG
from ..lifecycle.engines import alias_for
from ..lifecycle.schema import why_unusable
from ..worker.connections import be_patient
from ..worker.processes import sees_itself

REFUSED = {"jobs.E001", "jobs.E002", "jobs.E005", "jobs.E007", "jobs.W002"}
"""Settings nothing can be done with, and a SQLite database that would lose writes."""


def check_ready(stderr: OutputWrapper) -> None:
    """Print what the system checks of this app find, and leave no connection open.

    Raises CommandError where a worker must not start. A jobs module that cannot be imported does
    not keep the jobs of the others from running.
    """
    found = run_checks(tags=[TAG], databases=[])  # Django 6.1 takes None for all of them.
    for message in found:
        stderr.write(f"{message}")
    refused = [message for message in found if message.id in REFUSED]
    if refused:
        raise CommandError(
            "the worker does not start: " + " ".join(str(message.msg) for message in refused)
        )
    if reason := _trouble_with_processes() or _trouble_with_database():
        raise CommandError(f"the worker does not start: {reason}")


def _trouble_with_processes() -> str:
    """Return why no worker could end the processes of its jobs: it would look at others instead."""
    if sees_itself():
        return ""
    return "/proc is missing, or that of another process namespace (unshare wants --mount-proc)"


def _trouble_with_database() -> str:
    """Return why no worker may begin on the database. One that is away is nothing: it is waited for."""
    # A copy: the limits of time are the worker's, and not those of its jobs.
    connection = connections[alias_for()].copy()
    connection.settings_dict.get("OPTIONS", {}).pop("pool", None)
    be_patient(connection)
    try:
        return why_unusable(connection)
    except Error:
        return ""
    finally:
        connection.close()
