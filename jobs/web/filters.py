"""What a page shows, as its URL says it. Values come from anybody, so none can raise."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

from ..models import Attempt, Job
from ..output import clean
from ..states import AttemptStatus, JobStatus

PARAMETERS = {"job_class": "class"}
"""Field → URL parameter, where they differ."""

SIZES = (25, 50, 100)


def text(query: QueryDict, name: str, limit: int = 200) -> str:
    """Return a text parameter as every database takes it, cut to `limit` characters."""
    return clean(query.get(name, ""))[:limit]


def number(query: QueryDict, name: str) -> int | None:
    """Return a parameter that is an id, an offset or a line; None where it is not one."""
    value = query.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        return None
    return int(value)


def choice(query: QueryDict, name: str, accepted: list[str]) -> str:
    value = query.get(name, "")
    return value if value in accepted else ""


@dataclass(frozen=True)
class Filter:
    """What both lists have in common: class, queue, and the place in the list."""

    job_class: str = ""
    queue: str = ""
    size: int = SIZES[0]
    before: int | None = None
    after: int | None = None

    @classmethod
    def parse(cls, query: QueryDict) -> Self:
        """Read the filter from a query string; what makes no sense counts as not given."""
        size = number(query, "size")
        return cls(
            job_class=text(query, "class"),
            queue=text(query, "queue"),
            size=size if size in SIZES else SIZES[0],
            before=number(query, "before"),
            after=number(query, "after"),
            **cls.own(query),
        )

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        """Return the values of the fields that only this kind of filter has."""
        return {}

    @property
    def narrows(self) -> bool:
        """Whether it hides anything, besides by its place in the list."""
        return bool(self.job_class or self.queue)

    @property
    def searches(self) -> bool:
        """Whether no single index answers it, so that a page has to look through rows."""
        return bool(self.job_class or self.queue)

    def url(self, **changes: Any) -> str:
        """Return the query string of this filter with `changes`; another list starts at its top."""
        other = replace(self, **({"before": None, "after": None} | changes))
        pairs = {
            PARAMETERS.get(field.name, field.name): getattr(other, field.name)
            for field in fields(other)
            if getattr(other, field.name) != field.default
        }
        return f"?{urlencode(pairs)}"


@dataclass(frozen=True)
class JobFilter(Filter):
    status: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        return {"status": choice(query, "status", JobStatus.values)}

    @property
    def narrows(self) -> bool:
        return bool(self.status) or super().narrows

    @property
    def searches(self) -> bool:
        return sum(map(bool, (self.status, self.job_class, self.queue))) > 1

    def jobs(self) -> QuerySet[Job]:
        """Return the jobs of the class and the queue, of any status."""
        jobs = Job.objects.all()
        if self.job_class:
            jobs = jobs.filter(job_class=self.job_class)
        if self.queue:
            jobs = jobs.filter(queue=self.queue)
        return jobs

    def matching(self) -> QuerySet[Job]:
        return self.jobs().filter(status=self.status) if self.status else self.jobs()


@dataclass(frozen=True)
class LogFilter(Filter):
    tab: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        return {"tab": choice(query, "tab", ["errors"])}

    def matching(self) -> QuerySet[Attempt]:
        """Return the attempts of the class and the queue; on the tab `errors` the failed ones."""
        attempts = Attempt.objects.all()
        if self.job_class:
            attempts = attempts.filter(job__job_class=self.job_class)
        if self.queue:
            attempts = attempts.filter(job__queue=self.queue)
        if self.tab:
            attempts = attempts.filter(status=AttemptStatus.FAILED)
        return attempts
