"""django-ox: threads in the worker's processes, a row per job with its failures kept.

Two processes, as its manual has it for several cores, and half the concurrency in each.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management import call_command
from django.tasks import task
from django_ox.bulk import enqueue_many

from .. import work


@task
def noop(number: int) -> None:
    work.noop(number)


def setup() -> None:
    call_command("migrate", verbosity=0)


def dispatch(number: int) -> None:
    noop.enqueue(number)


def dispatch_many(numbers: Iterable[int]) -> None:
    enqueue_many(noop, [((number,), {}) for number in numbers])


def workers(concurrency: int) -> list[list[str]]:
    threads = str(max(concurrency // 2, 1))
    return [["-m", "django", "ox_worker", "--processes", "2", "--concurrency", threads]]
