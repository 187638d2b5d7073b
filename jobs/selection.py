"""Which jobs a filter means, in a form that can be kept and asked again later."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from datetime import datetime
from functools import reduce
from typing import Any

import msgspec
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Lower
from django.db.models.lookups import Contains

from .models import Attempt, AuditEntry, Job, Worker
from .states import AttemptStatus, JobStatus

LARGEST_KEY = 2**63 - 1
WORKERS = 1_000
"""Starts of workers on one host that are looked at."""
DEEPEST = 10
"""Names in the path to one argument."""


@dataclass(frozen=True)
class Selection:
    """What is asked for; a field with its default asks for nothing. `ids` are jobs named one by one."""

    status: str = ""
    job_class: str = ""
    queue: str = ""
    worker: str = ""
    """Host name of a worker that had an attempt of the job."""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """From when and before when it was dispatched."""
    argument: str = ""
    """`name:value`, or `outer.inner:value`."""
    text: str = ""
    """Part of the class, the error or, with `in_messages`, its message; or the number of a job."""
    in_messages: bool = False
    ids: tuple[int, ...] = ()

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Selection:
        """Return what `as_json` wrote.

        Raises ValueError for a filter this version does not know: without it more would match.
        """
        if unknown := kept.keys() - {field.name for field in fields(cls)}:
            raise ValueError(f"this version knows no filter by {', '.join(sorted(unknown))}")
        return msgspec.convert(kept, cls)

    def as_json(self) -> dict[str, Any]:
        given = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return dict(msgspec.to_builtins(given))

    @property
    def is_one_range(self) -> bool:
        """Whether one index holds exactly these jobs, in their order."""
        asked = self.as_json().keys() - {"in_messages"}
        return len(asked) < 2 and asked <= {"status", "job_class", "queue"}

    def jobs(self, using: str | None = None) -> QuerySet[Job]:
        """Return the jobs that match now."""
        exact = {
            "status": self.status,
            "job_class": self.job_class,
            "queue": self.queue,
            "error_type": self.error,
            "created_at__gte": self.since,
            "created_at__lt": self.until,
            "pk__in": self.ids,
        }
        jobs = Job.objects.using(using).filter(**{name: v for name, v in exact.items() if v})
        if self.worker:
            jobs = jobs.filter(_had(self.worker))
        if self.argument:
            jobs = _with_argument(jobs, self.argument)
        return jobs.filter(self._text()) if self.text else jobs

    def jobs_as_of(self, at: datetime, using: str | None = None) -> QuerySet[Job]:
        """Return the jobs that match now and, as far as their rows still tell, matched at `at`.

        What was named one by one is not asked again.
        """
        jobs = self.jobs(using)
        if self.ids:
            return jobs
        attempts = Attempt.objects.filter(job=OuterRef("pk"))
        retried = AuditEntry.objects.filter(
            job=OuterRef("pk"), action__startswith="retry", at__gt=at
        )
        jobs = jobs.filter(~Exists(retried), Q(finished_at=None) | Q(finished_at__lte=at))
        if self.status or self.error or self.text:
            jobs = jobs.filter(~Exists(attempts.filter(finished_at__gt=at)))
        if self.status == JobStatus.RUNNING:
            running = attempts.filter(status=AttemptStatus.RUNNING, claimed_at__lte=at)
            jobs = jobs.filter(Exists(running))
        if self.status == JobStatus.QUEUED:
            jobs = jobs.filter(run_at__lte=at)
        if self.worker:
            jobs = jobs.filter(_had(self.worker, claimed_at__lte=at))
        return jobs

    def _text(self) -> Q:
        # Names are compared byte by byte on MySQL, so `icontains` would not be what it says.
        named = Contains(Lower("job_class"), self.text.lower())
        found = Q(named) | Q(error_type__icontains=self.text)
        if self.in_messages:
            found |= Q(error_message__icontains=self.text)
        if self.text.isascii() and self.text.isdigit() and int(self.text) <= LARGEST_KEY:
            found |= Q(pk=int(self.text))
        return found


def _had(host: str, **conditions: Any) -> Q:
    """Match the jobs that had an attempt by a worker of a host.

    One probe of an index per job: for EXISTS, PostgreSQL may read the whole table of attempts.
    """
    workers = list(Worker.objects.filter(hostname=host).values_list("pk", flat=True)[:WORKERS])
    attempts = Attempt.objects.filter(job=OuterRef("pk"), worker_id__in=workers, **conditions)
    return Q(pk=Subquery(attempts.order_by().values("job_id")[:1])) if workers else Q(pk=None)


def path_of(argument: str) -> list[str]:
    """Return the names that lead to the argument of `name:value`; none where it names nothing."""
    path, colon, _ = argument.partition(":")
    names = path.strip().split(".")
    return names if colon and all(names) and len(names) <= DEEPEST else []


def _with_argument(jobs: QuerySet[Job], argument: str) -> QuerySet[Job]:
    names = path_of(argument)
    if not names:
        return jobs.none()
    # Not by a lookup's name: an argument may be called `contains` or `a__b`.
    place: Any = F("arguments")
    for name in names:
        place = KeyTransform(name, place)
    wanted = argument.partition(":")[2].strip()
    values: list[Any] = [wanted, *_scalar(wanted)]
    matches = [Q(wanted_argument=value) for value in values]
    return jobs.alias(wanted_argument=place).filter(reduce(lambda a, b: a | b, matches))


def _scalar(text: str) -> list[Any]:
    """Return the number or truth value a text stands for, in a list; nothing for another text."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [value] if isinstance(value, int | float) and math.isfinite(value) else []
