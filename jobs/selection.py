"""Which jobs a filter means, in a form that can be kept and asked again later."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property, reduce
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Concat, Lower
from django.db.models.lookups import Contains

from .lookups import Leads
from .models import Attempt, AuditEntry, Job, Tag, Worker
from .states import AttemptStatus, JobStatus

Row = TypeVar("Row", bound=Model)

LARGEST_KEY = 2**63 - 1
WORKERS = 1_000
"""Starts of workers on one host that are looked at."""
DEEPEST = 10
"""Names in the path to one argument."""
PLAIN = {
    **{f"plain_{name}": Concat(name, Value("")) for name in ("status", "job_class", "queue")},
    "plain_parent_id": F("parent_id") + 0,
}
"""What indexed columns hold, as expressions that no index does."""
LEADS = {
    "status": "status",
    "job_class": "job_class",
    "queue": "queue",
    "parent": "parent_id",
}
"""What is asked for → the column that an index of jobs begins with, whose next is the id."""
OF_THE_JOB = "pk"
OF_THE_TAG = "tagged_number"
"""Names of columns that hold the id of a job; see `Selection.key`."""


@dataclass(frozen=True)
class Selection:
    """What is asked for; a field with its default asks for nothing. `ids` are jobs named one by one."""

    status: str = ""
    job_class: str = ""
    queue: str = ""
    tag: str = ""
    parent: int | None = None
    """The job that dispatched it."""
    worker: str = ""
    """Host name of a worker that had an attempt of the job."""
    error: str = ""
    group: str = ""
    """Fingerprint of the group of like errors that the latest error is in."""
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
        alone = len(asked) < 2 and asked <= {*LEADS, "tag"}
        return alone or asked == {"status", "group"}

    @property
    def key(self) -> str:
        """The column of `jobs()` with the id of a job that an index holds in order.

        Whoever takes jobs in order, or from some id to another, has to name this one.
        """
        return OF_THE_TAG if self.tag else OF_THE_JOB

    @property
    def lead(self) -> str:
        """The column by which one index holds exactly these jobs; empty where it is none of jobs.

        Whoever takes `jobs()` in order has to order them by this column first: see `ordered`.
        """
        if self.tag or not self.is_one_range:
            return ""
        if self.group:
            return "error_group"
        return next((column for name, column in LEADS.items() if getattr(self, name)), "")

    def ordered(self, jobs: QuerySet[Job], *, newest_first: bool = False) -> QuerySet[Job]:
        """Return what `jobs()` gave in the order of ids, as its index has them."""
        return in_order(jobs, self.key, self.lead, newest_first=newest_first)

    def candidates(self, using: str | None = None) -> tuple[QuerySet[Any], str]:
        """Return rows of one index range, one for each job that may match, and where they hold its id."""
        if self.tag:
            return Tag.objects.using(using).filter(name=self.tag), "job_number"
        return Job.objects.using(using), OF_THE_JOB

    def jobs(self, using: str | None = None, among: Collection[str] = ()) -> QuerySet[Job]:
        """Return the jobs that match now, of the statuses `among` only, if any are given."""
        exact = {
            "error_type": self.error,
            "error_group": self.group,
            "created_at__gte": self.since,
            "created_at__lt": self.until,
            "pk__in": self.ids,
        }
        named = {
            "status": self.status,
            # Beside a status it says nothing more, and would have PostgreSQL read all with that status.
            "status__in": [] if self.status else sorted(among),
            "job_class": self.job_class,
            "queue": self.queue,
            "parent_id": self.parent,
        }
        jobs = Job.objects.using(using)
        if lead := self.lead:
            value = (exact if lead in exact else named).pop(lead)
            jobs = jobs.filter(Leads(F(lead), value))
        jobs = jobs.filter(**{name: v for name, v in exact.items() if v})
        given = {lookup: value for lookup, value in named.items() if value not in ("", [], None)}
        jobs = _tagged(jobs, self.tag, given) if self.tag else jobs.filter(**given)
        if self.status and among and self.status not in among:
            return jobs.none()
        if self.worker:
            jobs = jobs.filter(_had(self._workers(using)))
        if self.argument:
            jobs = _with_argument(jobs, self.argument)
        return jobs.filter(self._text()) if self.text else jobs

    def jobs_as_of(
        self, at: datetime, using: str | None = None, among: Collection[str] = ()
    ) -> QuerySet[Job]:
        """Return the jobs that match now and, as far as their rows still tell, matched at `at`.

        What was named one by one is not asked again.
        """
        jobs = self.jobs(using, among)
        if self.ids:
            return jobs
        attempts = Attempt.objects.filter(job=OuterRef("pk"))
        retried = AuditEntry.objects.filter(
            job=OuterRef("pk"), action__startswith="retry", at__gt=at
        )
        jobs = jobs.filter(~Exists(retried), Q(finished_at=None) | Q(finished_at__lte=at))
        if self.status or self.error or self.group or self.text:
            jobs = jobs.filter(~Exists(attempts.filter(finished_at__gt=at)))
        if self.status == JobStatus.RUNNING:
            running = attempts.filter(status=AttemptStatus.RUNNING, claimed_at__lte=at)
            jobs = jobs.filter(Exists(running))
        if self.status == JobStatus.QUEUED:
            jobs = jobs.filter(run_at__lte=at)
        if self.worker:
            jobs = jobs.filter(_had(self._workers(using), claimed_at__lte=at))
        return jobs

    def of_any_status(self) -> Selection:
        """Return the same one, but for its status; what is known of workers stays known."""
        other = replace(self, status="")
        other._known_workers.update(self._known_workers)
        return other

    @property
    def number(self) -> int | None:
        """The id that its text may be; None for a text that is none."""
        is_number = self.text.isascii() and self.text.isdigit()
        found = int(self.text) if is_number else None
        return found if found is not None and found <= LARGEST_KEY else None

    @property
    def is_slow(self) -> bool:
        """Whether it takes more than a comparison of columns to tell if a job matches."""
        return bool(self.worker or self.argument or self.text)

    def know_workers(self, starts: list[UUID]) -> None:
        """Take the starts of workers on its host from who knows them already."""
        self._known_workers[None] = starts

    def _workers(self, using: str | None) -> list[UUID]:
        """Return the starts of workers on its host; a page asks for them more than once."""
        known = self._known_workers
        if using not in known:
            rows = Worker.objects.using(using).filter(hostname=self.worker)
            known[using] = list(rows.values_list("pk", flat=True)[:WORKERS])
        return known[using]

    @cached_property
    def _known_workers(self) -> dict[str | None, list[UUID]]:
        return {}

    def _text(self) -> Q:
        # Names are compared byte by byte on MySQL, so `icontains` would not be what it says.
        named = Contains(Lower("job_class"), self.text.lower())
        found = Q(named) | Q(error_type__icontains=self.text)
        if self.in_messages:
            found |= Q(error_message__icontains=self.text)
        return found if self.number is None else found | Q(pk=self.number)


def in_order(
    rows: QuerySet[Row], key: str, lead: str = "", *, newest_first: bool = False
) -> QuerySet[Row]:
    """Order rows by their key; `lead` is the column of an index of both, in which the newest are first."""
    order = (lead, f"-{key}") if newest_first else (f"-{lead}", key)
    return rows.order_by(*order) if lead else rows.order_by(order[1])


def _tagged(jobs: QuerySet[Job], tag: str, named: dict[str, Any]) -> QuerySet[Job]:
    """Match the jobs with a tag for which the lookups `named` hold.

    Read in the order of the index of tags, one job at a time. What else is asked for must not lead
    any database to another index, which for a rare tag would be read to its end: so it is compared
    as what no index holds.
    """
    jobs = jobs.filter(tag_rows__name=tag).annotate(**{OF_THE_TAG: F("tag_rows__job_number")})
    return jobs.alias(**PLAIN).filter(**{f"plain_{lookup}": v for lookup, v in named.items()})


def _had(workers: list[UUID], **conditions: Any) -> Q:
    """Match the jobs that had an attempt by one of these workers.

    One probe of an index per job: for EXISTS, PostgreSQL may read the whole table of attempts.
    """
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
