"""Jobs of a filter, or entries of the audit, as CSV or NDJSON: streamed, newest first, up to a stated limit."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone

from ..models import AuditEntry, Job
from ..redaction import redacted
from ..selection import Selection
from . import paging
from .access import closed
from .audit_filter import AuditFilter
from .downloads import download
from .filters import JobFilter
from .paging import KeyReach, Reach, newest_key, reach_of
from .responses import permission, refuse
from .words import problems, refusal

LIMIT = 100_000
"""Jobs, or entries, in one export."""
SEARCHES = 20
"""How often an export looks as far as a page may, where no index holds exactly the wanted jobs."""
AT_FIRST, AT_ONCE = 50, 500
"""Jobs that the first query reads, so that the download begins, and those that each later one does."""
SIZE_AT_ONCE = 512 * 1024
"""Characters that the rows of one query come to, as far as those before them tell."""

COLUMNS = (
    *("id", "job_class", "queue", "status", "priority", "created_at", "run_at", "started_at"),
    *("finished_at", "attempts_spent", "max_attempts", "attempts_made", "interruptions"),
    *("error_type", "tags", "parent_id", "origin"),
)
ENTRY_COLUMNS = (
    *("id", "at", "actor_name", "action", "status", "job_id", "job_class", "other_job_id"),
    *("operation_id", "subject", "detail"),
)
KINDS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a text for a formula."""


@closed("view_job")
def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    if kind not in KINDS:
        raise Http404
    chosen = JobFilter.parse(request.GET)
    refused = [text for text in [refusal(request.user, chosen), *problems(chosen)] if text]
    if refused:
        return refuse(request, 400, why=refused)
    columns = [*COLUMNS]
    if request.user.has_perm(permission("view_job_logs")):
        columns.append("error_message")
    if request.user.has_perm(permission("view_job_arguments")):
        columns += ["arguments", "result"]
    selection = chosen.selection(in_messages="error_message" in columns)
    return streamed(request, kind, "jobs", JobRows(selection, columns))


@closed("view_job")
def export_audit(request: HttpRequest, kind: str) -> HttpResponseBase:
    if kind not in KINDS:
        raise Http404
    chosen = AuditFilter.parse(request.GET)
    return streamed(request, kind, "audit", EntryRows(chosen, [*ENTRY_COLUMNS]))


def streamed(request: HttpRequest, kind: str, what: str, rows: Rows) -> HttpResponseBase:
    write = as_csv if kind == "csv" else as_ndjson
    name = f"{what}-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return download(request, measured(write(rows.columns, rows), rows), KINDS[kind], name)


def measured(lines: Iterator[str], rows: Rows) -> Iterator[str]:
    for text in lines:
        rows.size += len(text)
        yield text


class Rows(ABC):
    """Yields the values of rows; afterwards it knows what it has left out."""

    noun: str
    """What the rows are called."""

    def __init__(self, columns: list[str]) -> None:
        self.columns = columns
        self._at_once = AT_FIRST
        self.number = 0
        self.size = 0
        """Characters that have been written of them."""
        self.left_out = False
        """Whether there are, or may be, older ones that match."""

    def __iter__(self) -> Iterator[list[Any]]:
        for row in self.found():
            if self.number == LIMIT:
                self.left_out = True
                return
            self.number += 1
            yield [safe(getattr(row, name)) for name in self.columns]

    @abstractmethod
    def found(self) -> Iterator[Any]:
        """Yield the rows, the newest first."""

    def searched(self, reach: Reach, newest: int) -> Iterator[Any]:
        """Yield the rows within reach, and within the next one below, as often as a search may."""
        top = newest + 1 if reach.top is None else reach.top
        for _ in range(SEARCHES):
            floor = reach.below(top)
            yield from self.between(floor, top)
            if reach.ends_at(floor):
                return
            top = floor
        self.left_out = True

    def between(self, floor: int, top: int) -> Iterator[Any]:
        """Yield the rows from the key `floor` to below `top`, the newest first."""
        rows, key = self.rows()
        rows = rows.filter(**{f"{key}__gte": floor})
        while found := list(rows.filter(**{f"{key}__lt": top})[: self._at_once]):
            top, size = found[-1].pk, self.size
            yield from found
            self._at_once = fitting(len(found), self.size - size)

    @abstractmethod
    def rows(self) -> tuple[QuerySet[Any], str]:
        """Return all rows in order, with the columns that are written, and the column of their key."""

    @property
    def ending(self) -> str:
        if self.left_out:
            rest = "older ones were left out: narrow the filter to get them"
            return f"{self.number} {self.noun}; {rest}"
        return f"{self.number} {self.noun}; these are all"


class JobRows(Rows):
    noun = "jobs"

    def __init__(self, selection: Selection, columns: list[str]) -> None:
        super().__init__(columns)
        self.selection = selection

    def rows(self) -> tuple[QuerySet[Any], str]:
        stored = [name for name in self.columns if name != "tags"]
        jobs = self.selection.ordered(self.selection.jobs(), newest_first=True)
        return jobs.only(*stored).prefetch_related("tag_rows"), self.selection.key

    def found(self) -> Iterator[Job]:
        newest = newest_key(Job.objects.all())
        if self.selection.is_one_range:
            return self.between(0, newest + 1)
        return self.searched(reach_of(self.selection, paging.SPAN), newest)


class EntryRows(Rows):
    noun = "entries"

    def __init__(self, chosen: AuditFilter, columns: list[str]) -> None:
        super().__init__(columns)
        self.chosen = chosen

    def rows(self) -> tuple[QuerySet[Any], str]:
        stored = [name for name in self.columns if name != "job_class"]
        entries = self.chosen.matching().annotate(job_class=F("job__job_class"))
        return entries.only(*stored).order_by("-pk"), "pk"

    def found(self) -> Iterator[AuditEntry]:
        rows = AuditEntry.objects.all()
        if not self.chosen.searches:
            return self.between(0, newest_key(rows) + 1)
        reach = KeyReach(rows, paging.SPAN)
        return self.searched(reach, reach.newest)


def fitting(read: int, size: int) -> int:
    """Return how many rows the next query may read, after `read` ones that came to so many characters."""
    return max(1, min(AT_ONCE, SIZE_AT_ONCE * read // max(size, 1)))


def safe(value: Any) -> Any:
    """Return a value for JSON: times in ISO format, all others without their secrets."""
    if isinstance(value, datetime):
        return value.isoformat()
    return redacted(value)


def as_ndjson(columns: list[str], rows: Rows) -> Iterator[str]:
    # The download begins with this line, however long it takes to find the first job.
    yield json.dumps({"columns": columns}) + "\n"
    for row in rows:
        yield json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n"
    yield json.dumps({"end": rows.ending, "complete": not rows.left_out}) + "\n"


def as_csv(columns: list[str], rows: Rows) -> Iterator[str]:
    yield line(columns)
    for row in rows:
        yield line(cell(value) for value in row)
    yield line([f"# {rows.ending}"])


def line(cells: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def cell(value: Any) -> Any:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value
