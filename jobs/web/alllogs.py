"""The logs of all attempts: the end of each, or the lines that match."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.utils import timezone

from ..models import Attempt, OutputChunk
from ..states import AttemptStatus
from .access import closed
from .filters import SPANS, Filter, choice, moment, text
from .logs import with_sources
from .responses import render
from .rows import PICKED, Chunk, LineFilter, Reader, Row
from .views import LARGE_OF_JOB, choices, find, links

LOGS_SHOWN = 20
TAIL_LINES, TAIL_CHUNKS = 12, 3
"""How much of each attempt is shown: lines, out of so many stored pieces."""

PIECES_SEARCHED, BYTES_SEARCHED = 5_000, 16 * 1024 * 1024
"""Stored pieces, of all attempts, that one page looks through, and bytes: whichever is less."""
PIECES_FOUND = 100
LINES_FOUND = 50
"""Pieces with a match, and lines of one attempt, that one page shows."""


@dataclass(frozen=True)
class LogFilter(Filter):
    tab: str = ""
    worker: str = ""
    """Host name."""
    since: str = ""
    until: str = ""
    """Moments, as `moment` reads them, between which an attempt was claimed."""
    level: str = ""
    text: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        picked = LineFilter.parse(query)
        return {
            "tab": choice(query, "tab", ["errors"]),
            "worker": text(query, "worker", 255).strip(),
            "since": text(query, "since", 40).strip(),
            "until": text(query, "until", 40).strip(),
            "level": picked.level,
            "text": picked.text,
        }

    @property
    def picked(self) -> LineFilter:
        return LineFilter(self.level, self.text)

    @property
    def narrows(self) -> bool:
        return self != type(self)(
            tab=self.tab, size=self.size, before=self.before, after=self.after
        )

    @property
    def searches(self) -> bool:
        return self.narrows

    def cleared(self) -> str:
        """Return the query string of the same tab without what narrows it."""
        return type(self)(tab=self.tab).url()

    def conditions(self) -> dict[str, Any]:
        """Return what attempts have to meet, as lookups of Attempt."""
        now = timezone.now()
        asked = {
            "job__job_class": self.job_class,
            "job__queue": self.queue,
            "worker__hostname": self.worker,
            "claimed_at__gte": moment(self.since, now),
            "claimed_at__lt": moment(self.until, now),
            "status": AttemptStatus.FAILED if self.tab else "",
        }
        return {name: value for name, value in asked.items() if value}

    def matching(self) -> QuerySet[Attempt]:
        return Attempt.objects.filter(**self.conditions())


class Found(NamedTuple):
    """The matches of one page of a search, and how far that went."""

    entries: list[tuple[Attempt, list[Row]]]
    older: int | None
    """The key of the piece to search on before; None where everything has been searched."""
    pieces: int
    size: int
    """Pieces and bytes that were looked through."""


@closed("view_job", "view_job_logs")
def show_logs(request: HttpRequest) -> HttpResponseBase:
    chosen = LogFilter.parse(request.GET)
    context = {
        "chosen": chosen,
        "levels": PICKED,
        "spans": SPANS,
        "main_url": chosen.url(tab=""),
        "errors_url": chosen.url(tab="errors"),
        **choices(chosen),
    }
    shown = found_lines(chosen) if chosen.picked.narrows else latest_attempts(chosen)
    return render(request, "jobs/logs.html", context | shown)


def latest_attempts(chosen: LogFilter) -> dict[str, Any]:
    """Return the newest attempts with the end of their output."""
    unread = ["receipt", "samples", *(f"job__{name}" for name in LARGE_OF_JOB)]
    attempts = chosen.matching().select_related("job", "worker").defer(*unread)
    page = find(chosen, attempts, LOGS_SHOWN)
    ends = tails(page.rows)
    entries = [(attempt, ends.get(attempt.pk, [])) for attempt in page.rows]
    return {"page": page, "entries": entries, **links(chosen, page)}


def found_lines(chosen: LogFilter) -> dict[str, Any]:
    """Return the newest lines that match, by attempt."""
    found = search(chosen)
    older_url = chosen.url(before=found.older) if found.older is not None else None
    newer_url = chosen.url() if chosen.before is not None else None
    return {
        "found": found,
        "entries": found.entries,
        "older_url": older_url,
        "newer_url": newer_url,
        "clear_url": chosen.cleared(),
    }


def search(chosen: LogFilter) -> Found:
    """Look through the latest pieces of output, of all attempts or before the key `before`."""
    pieces = OutputChunk.objects.order_by("-pk")
    if chosen.before is not None:
        pieces = pieces.filter(pk__lt=chosen.before)
    window = list(pieces.values_list("pk", "size")[:PIECES_SEARCHED])
    size, looked_at = 0, 0
    for _, one in window:
        size, looked_at = size + one, looked_at + 1
        if size >= BYTES_SEARCHED:
            break
    if not window:
        return Found([], None, 0, 0)
    floor = window[looked_at - 1][0]
    matching = list(_matching(pieces.filter(pk__gte=floor), chosen)[:PIECES_FOUND])
    if len(matching) == PIECES_FOUND:
        floor = matching[-1].pk
        looked_at = sum(1 for key, _ in window if key >= floor)
        size = sum(one for key, one in window if key >= floor)
    ended = floor == window[-1][0] and len(window) < PIECES_SEARCHED
    return Found(_by_attempt(matching, chosen.picked), None if ended else floor, looked_at, size)


def _matching(pieces: QuerySet[OutputChunk], chosen: LogFilter) -> QuerySet[OutputChunk]:
    conditions = {f"attempt__{name}": value for name, value in chosen.conditions().items()}
    if chosen.text:
        # As it stands in the stored JSON, between its quotes.
        conditions["entries__icontains"] = msgspec.json.encode(chosen.text).decode()[1:-1]
    unread = ("traceback", "receipt", "samples", *(f"job__{name}" for name in LARGE_OF_JOB))
    found = with_sources(pieces.filter(**conditions), chosen.picked)
    return found.select_related("attempt__job", "attempt__worker").defer(
        *(f"attempt__{name}" for name in unread)
    )


def _by_attempt(
    pieces: Iterable[OutputChunk], picked: LineFilter
) -> list[tuple[Attempt, list[Row]]]:
    attempts: dict[int, Attempt] = {}
    rows: dict[int, list[Row]] = {}
    for piece in pieces:
        reader = Reader(position=piece.position, gaps=False)
        found = [row for row in reader.rows([Chunk.of(piece)]) if picked.matches(row)]
        if found:
            attempts[piece.attempt_id] = piece.attempt
            rows[piece.attempt_id] = found + rows.get(piece.attempt_id, [])
    return [(attempts[key], rows[key][-LINES_FOUND:]) for key in attempts]


def tails(attempts: Iterable[Attempt]) -> dict[int, list[Row]]:
    """Return the last rows of each attempt's output by its id, with one query."""
    ranked = OutputChunk.objects.filter(attempt__in=list(attempts)).annotate(
        rank=Window(RowNumber(), partition_by=F("attempt"), order_by=F("position").desc())
    )
    latest = ranked.filter(rank__lte=TAIL_CHUNKS).order_by("attempt", "position")
    readers: dict[int, Reader] = {}
    rows: dict[int, deque[Row]] = {}
    for chunk in latest:
        # What precedes the tail was not read, which is no gap.
        reader = readers.setdefault(chunk.attempt_id, Reader(position=chunk.position))
        found = rows.setdefault(chunk.attempt_id, deque(maxlen=TAIL_LINES))
        if reader.row and found:
            found.pop()
        found.extend(reader.rows([Chunk.of(chunk)]))
    return {attempt_id: list(found) for attempt_id, found in rows.items()}
