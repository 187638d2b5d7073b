"""What a page shows, as its URL says it. Values come from anybody, so none can raise."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils import timezone

from ..fingerprints import DIGITS
from ..output import clean
from ..selection import LARGEST_KEY, Selection
from ..states import JobStatus
from .forms import instant
from .paging import SPAN, span_of
from .ranges import RANGES

PARAMETERS = {"job_class": "class", "text": "q"}
"""Field → URL parameter, where they differ."""

SIZES = (25, 50, 100)

SPANS = {"15m": timedelta(minutes=15), **{name: one.length for name, one in RANGES.items()}}
"""Value of a time parameter → how long before now it means."""


def text(query: QueryDict, name: str, limit: int = 200) -> str:
    """Return a text parameter as every database takes it, cut to `limit` characters."""
    return clean(query.get(name, ""))[:limit]


def number(query: QueryDict, name: str) -> int | None:
    """Return a parameter that is an id, an offset or a line; None where it is not one."""
    value = query.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        return None
    return int(value)


def key(query: QueryDict, name: str) -> int | None:
    """Return a parameter that is a key as databases take it; 0, which no row has, for a larger one."""
    found = number(query, name)
    return found if found is None or found <= LARGEST_KEY else 0


def choice(query: QueryDict, name: str, accepted: list[str]) -> str:
    value = query.get(name, "")
    return value if value in accepted else ""


def moment(value: str, now: datetime) -> datetime | None:
    """Return the time that `1h` to `30d` before `now`, or an ISO time in the current zone, means.

    None for any other text.
    """
    if value in SPANS:
        return now - SPANS[value]
    try:
        return instant(datetime.fromisoformat(value))
    except ValueError:
        return None


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
    def of_address(cls, address: str) -> Self:
        """Read the filter from the query string of a page, with or without its question mark."""
        return cls.parse(QueryDict(address.removeprefix("?").encode()))

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

    @property
    def looks_through(self) -> int:
        """How many entries of an index one page of a search reads."""
        return SPAN

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
    tag: str = ""
    parent: int | None = None
    worker: str = ""
    error: str = ""
    group: str = ""
    since: str = ""
    until: str = ""
    """Moments, as `moment` reads them."""
    argument: str = ""
    text: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        return {
            "status": choice(query, "status", JobStatus.values),
            "tag": text(query, "tag", 50).strip(),
            "parent": key(query, "parent"),
            "worker": text(query, "worker", 255),
            "error": text(query, "error"),
            "group": text(query, "group", DIGITS),
            "since": text(query, "since", 40),
            "until": text(query, "until", 40),
            "argument": text(query, "argument").strip(),
            "text": text(query, "q").strip(),
        }

    @property
    def narrows(self) -> bool:
        return self != type(self)(size=self.size, before=self.before, after=self.after)

    @property
    def searches(self) -> bool:
        return not self.selection().is_one_range

    @property
    def looks_through(self) -> int:
        return span_of(self.selection())

    @property
    def further(self) -> bool:
        """Whether "More filters" is open: a tag was mostly clicked on, not typed there."""
        return bool(self.worker or self.error or self.since or self.until or self.argument)

    def cleared(self) -> str:
        """Return the query string of the same list without what narrows it, but for its status."""
        return type(self)(size=self.size, status=self.status).url()

    def pinned(self, selection: Selection) -> Self:
        """Return it with the moments that a selection of it asks for, since `1h` ago goes on with time."""
        moments = {name: getattr(selection, name) for name in ("since", "until")}
        return replace(self, **{name: at.isoformat() for name, at in moments.items() if at})

    def selection(self, in_messages: bool = False) -> Selection:
        """Return the jobs it asks for, as of now; `in_messages` lets its text look there, too."""
        now = timezone.now()
        return Selection(
            status=self.status,
            job_class=self.job_class,
            queue=self.queue,
            tag=self.tag,
            parent=self.parent,
            worker=self.worker,
            error=self.error,
            group=self.group,
            since=moment(self.since, now),
            until=moment(self.until, now),
            argument=self.argument,
            text=self.text,
            in_messages=in_messages and bool(self.text),
        )
