"""Two attempts side by side: what differs in their arguments, their figures and their logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from django.db.models import QuerySet

from ..models import Attempt, Job
from ..redaction import redacted
from ..selection import LARGEST_KEY
from ..states import AttemptStatus, JobStatus
from .logs import read_from_start
from .paging import SPAN, newest_key
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


OFFERED = 20
"""Attempts of the same job, and other jobs of its class, that are offered to compare with."""


class Offer(NamedTuple):
    """An attempt to compare with; `value` names it in an address."""

    value: str
    job: int
    number: int
    status: str
    """As pages say it."""
    at: datetime


def offers(attempt: Attempt) -> tuple[list[Offer], list[Offer]]:
    """Return other attempts of the same job, and the last ones of other jobs of its class."""
    others = Attempt.objects.filter(job=attempt.job_id).exclude(pk=attempt.pk).order_by("-number")
    same = [
        offer(attempt.job_id, one.number, one.get_status_display(), one.claimed_at)
        for one in others.only("number", "status", "claimed_at")[:OFFERED]
    ]
    jobs = Job.objects.filter(job_class=attempt.job.job_class).order_by("-pk")
    columns = ("attempts_made", "status", "created_at")
    latest = [
        offer(job.pk, job.attempts_made, job.get_status_display(), job.created_at)
        for job in jobs.only(*columns)[: OFFERED + 1]
        if job.attempts_made and job.pk != attempt.job_id
    ]
    return same, latest


def offer(job: int, number: int, status: str, at: datetime) -> Offer:
    return Offer(f"{job}.{number}", job, number, status, at)


def named(value: str) -> tuple[int, int | None] | None:
    """Return the job and the number of an attempt that was typed as `12.3`, or `12` for its last one."""
    found = _typed.fullmatch(value.strip().removeprefix("#"))
    if found is None:
        return None
    job, attempt = int(found[1]), found[2]
    return min(job, LARGEST_KEY), None if attempt is None else int(attempt)


def attempt_named(value: str) -> Attempt | None:
    found = named(value)
    if found is None:
        return None
    job, place = found
    attempts = with_all(Attempt.objects.filter(job_id=job)).order_by("-number")
    return attempts.first() if place is None else attempts.filter(number=place).first()


_typed = re.compile(r"(\d{1,18})(?:\s*[.·]\s*(\d{1,9}))?", re.ASCII)


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
