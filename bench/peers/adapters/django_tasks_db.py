"""django-tasks-db: one job at a time in the worker's own process, a row per job kept.

Concurrency is the number of `db_worker` processes, with their default interval of 1 s.
"""

from __future__ import annotations

from django.core.management import call_command
from django.tasks import task

from .. import work


@task
def noop(number: int) -> None:
    work.noop(number)


def setup() -> None:
    call_command("migrate", verbosity=0)


def dispatch(number: int) -> None:
    noop.enqueue(number)


def workers(concurrency: int) -> list[list[str]]:
    return [["-m", "django", "db_worker", "--no-reload"]] * concurrency
