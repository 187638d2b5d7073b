"""The jobs of a filter as CSV or NDJSON: streamed, newest first, up to a limit that it states."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone

from ..selection import Selection
from .access import closed
from .filters import JobFilter
from .paging import newest_key
from .redaction import redacted
from .responses import permission, refuse
from .words import problems, refusal

LIMIT = 100_000
"""Jobs in one export."""
LOOKED_THROUGH = 1_000_000
"""Job ids one export looks through where no index holds exactly the wanted jobs."""
AT_ONCE = 500
SPAN = 50_000
"""Jobs, and job ids, that one query reads."""

COLUMNS = (
    *("id", "job_class", "queue", "status", "priority", "created_at", "run_at", "started_at"),
    *("finished_at", "attempts_spent", "max_attempts", "attempts_made", "interruptions"),
    "error_type",
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
    write = as_csv if kind == "csv" else as_ndjson
    name = f"jobs-{timezone.now():%Y%m%d-%H%M%S}.{kind}"
    return StreamingHttpResponse(
        write(columns, Rows(selection, columns)),
        content_type=f"{KINDS[kind]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class Rows:
    """Yields the values of the jobs of a selection; afterwards it knows what it has left out."""

    def __init__(self, selection: Selection, columns: list[str]) -> None:
        self.selection, self.columns = selection, columns
        self.number = 0
        self.left_out = False
        """Whether there are, or may be, older jobs that match."""

    def __iter__(self) -> Iterator[list[Any]]:
        jobs = self.selection.jobs()
        top = newest_key(jobs) + 1
        last = 1 if self.selection.is_one_range else max(top - LOOKED_THROUGH, 1)
        while top > last:
            floor = last if self.selection.is_one_range else max(top - SPAN, last)
            batch = jobs.filter(pk__gte=floor, pk__lt=top).order_by("-pk")
            found = list(batch.values_list(*self.columns)[:AT_ONCE])
            for row in found:
                if self.number == LIMIT:
                    self.left_out = True
                    return
                self.number += 1
                yield [safe(value) for value in row]
            top = found[-1][0] if len(found) == AT_ONCE else floor
        self.left_out = last > 1

    @property
    def ending(self) -> str:
        if self.left_out:
            return f"{self.number} jobs; older ones were left out: narrow the filter to get them"
        return f"{self.number} jobs; these are all"


def safe(value: Any) -> Any:
    """Return a value for JSON: times in ISO format, all others without their secrets."""
    if isinstance(value, datetime):
        return value.isoformat()
    return redacted(value)


def as_ndjson(columns: list[str], rows: Rows) -> Iterator[str]:
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
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value
