"""procrastinate in Django: threads of one asyncio process, a row per job and per event kept."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.management import call_command
from procrastinate.contrib.django import app

from .. import work


@app.task(name="noop")
def noop(number: int) -> None:
    work.noop(number)


def setup() -> None:
    call_command("migrate", verbosity=0)


def dispatch(number: int) -> None:
    noop.defer(number=number)


def dispatch_many(numbers: Iterable[int]) -> None:
    noop.batch_defer(*[{"number": number} for number in numbers])


def workers(concurrency: int) -> list[list[str]]:
    return [["-m", "django", "procrastinate", "worker", "--concurrency", str(concurrency)]]
