"""This project, with the settings of its reference project.

A process per job: warm ones by default, each job in a new one as `fresh`. A row per job and one per
attempt are kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management import call_command

from bench.jobs import Noop


def setup() -> None:
    call_command("migrate", verbosity=0)


def dispatch(number: int) -> None:
    Noop(number=number).dispatch()


def dispatch_many(numbers: Iterable[int]) -> None:
    Noop.dispatch_many(Noop(number=number) for number in numbers)


def workers(concurrency: int) -> list[list[str]]:
    return [["-m", "django", "runworker", "--concurrency", str(concurrency)]]
