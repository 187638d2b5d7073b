"""Two attempts side by side: what differs in their arguments, their figures and their logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from django.db.models import QuerySet

from ..models import Attempt, Job
from ..states import AttemptStatus, JobStatus
from .logs import read_from_start
from .paging import SPAN, newest_key
from .redaction import redacted
from .rows import Row
from .terminal import plain

COMPARED_LINES, COMPARED_BYTES = 20_000, 4 * 1024 * 1024
"""Lines and bytes of each log that are compared."""

# What differs from run to run and tells nothing: numbers, and names made of their digits.
_varying = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{2,}(?:-[0-9a-f]{2,})*\b|\d+", re.IGNORECASE)


class Difference(NamedTuple):
    """The first lines that differ; None where one log has ended."""

    one: Row | None
    other: Row | None


class ArgumentRow(NamedTuple):
    name: str
    one: Any
    other: Any
    differs: bool


def last_success(attempt: Attempt) -> Attempt | None:
    """Return the last completed attempt of the same class, among the newest jobs."""
    jobs = Job.objects.filter(job_class=attempt.job.job_class, status=JobStatus.COMPLETED)
    recent = jobs.filter(pk__gte=newest_key(jobs) - SPAN).order_by("-pk")
    job = recent.values_list("pk", flat=True).first()
    completed = Attempt.objects.filter(job=job, status=AttemptStatus.COMPLETED)
    return with_all(completed).order_by("-number").first() if job else None


def with_all(attempts: QuerySet[Attempt]) -> QuerySet[Attempt]:
    return attempts.select_related("job", "worker").defer("job__result", "traceback")


def arguments(one: Job, other: Job) -> list[ArgumentRow]:
    """Return the arguments of two jobs by name, redacted; what differs is told before that."""
    found = []
    for name in sorted({*one.arguments, *other.arguments}):
        missing = object()
        differs = one.arguments.get(name, missing) != other.arguments.get(name, missing)
        values = [redacted({name: job.arguments.get(name)})[name] for job in (one, other)]
        found.append(ArgumentRow(name, values[0], values[1], differs))
    return found


def first_difference(one: Attempt, other: Attempt) -> Difference | None:
    """Return the first lines that say something else, numbers aside; None where none was found."""
    is_whole = max(one.output_bytes, other.output_bytes) <= COMPARED_BYTES
    for left, right in zip_longest(lines(one), lines(other)):
        if left is None or right is None:
            return Difference(left, right) if is_whole else None
        if shape(left) != shape(right):
            return Difference(left, right)
    return None


def shape(row: Row) -> tuple[str, str]:
    return row.source, _varying.sub("#", plain(row.text))


def lines(attempt: Attempt) -> Iterator[Row]:
    """Yield the lines of a log from its first one; places between lines are left out."""
    for row in read_from_start(attempt, COMPARED_BYTES):
        if row.number > COMPARED_LINES:
            return
        if row.number:
            yield row
