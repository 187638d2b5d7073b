"""Reads stored output as numbered rows, from its end, its middle, or where a reader stopped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.http import QueryDict
from django.utils import timezone

from ..models import Attempt, OutputChunk
from ..output import Line, decode
from .filters import number, text
from .terminal import Segment, segments

VIEW_BYTES = 256 * 1024
VIEW_LINES = 1_000
"""How much of a log one page shows: whichever is less."""

LONGEST_LINE = 16_384
"""Characters of one line that are shown."""

TAIL_LINES = 12
TAIL_CHUNKS = 3
"""How much of each attempt the page of all logs shows: lines, out of so many stored pieces."""


class Row(NamedTuple):
    """One line of output, or, with `gap`, the place where so many bytes were not kept."""

    number: int
    at: int
    source: str
    text: str
    gap: int = 0

    @property
    def iso(self) -> str:
        """Its time of arrival in UTC, as `<time datetime>` takes it."""
        return datetime.fromtimestamp(self.at / 1000, UTC).isoformat(" ", "milliseconds")

    @property
    def clock(self) -> str:
        """Its time of arrival in the current zone, without the date."""
        moment = datetime.fromtimestamp(self.at / 1000, timezone.get_current_timezone())
        return f"{moment:%H:%M:%S}"

    @property
    def overwrites(self) -> bool:
        """Whether a carriage return takes back what stood in this line."""
        return "\r" in self.text.rstrip("\r")

    @property
    def is_cut(self) -> bool:
        return len(self.text) >= LONGEST_LINE

    @property
    def segments(self) -> list[Segment]:
        """The text as a terminal would show it, with its colours."""
        return segments(self.text.rstrip("\r").rpartition("\r")[2][:LONGEST_LINE])


@dataclass
class Reader:
    """Folds chunks into rows. Its fields are where it stands, so reading can go on from there."""

    position: int = 0
    """Bytes of output already read."""
    number: int = 0
    """Number of the latest row."""
    row: Row | None = None
    """The latest row while no line end was seen for it."""

    @classmethod
    def resume(cls, query: QueryDict) -> Reader:
        """Return the reader whose `cursor` is in a query string."""
        line, source = number(query, "line") or 0, text(query, "open", 10)
        row = Row(line, 0, source, "") if source else None
        return cls(number(query, "after") or 0, line, row)

    @property
    def cursor(self) -> str:
        """The query string that goes on from here."""
        source = self.row.source if self.row else ""
        return "?" + urlencode({"after": self.position, "line": self.number, "open": source})

    def rows(self, chunks: Iterable[tuple[int, int, str]]) -> Iterator[Row]:
        """Yield the rows of `chunks`: (position, size, entries), in order.

        The last row may be unfinished; it is then yielded as it stands and stays open.
        """
        for position, size, entries in chunks:
            if position > self.position:
                yield from self._close()
                yield Row(0, 0, "", "", gap=position - self.position)
            self.position = position + size
            for line in decode(entries):
                yield from self._take(line)
        if self.row and self.row.text:
            yield self.row

    def _take(self, line: Line) -> Iterator[Row]:
        if self.row and self.row.source != line.source:
            yield from self._close()
        *complete, rest = line.text.split("\n")
        for piece in complete:
            yield self._extended(line, piece)
            self.row = None
        if rest:
            self.row = self._extended(line, rest)

    def _extended(self, line: Line, piece: str) -> Row:
        if self.row is None:
            self.number += 1
            return Row(self.number, line.at, line.source, piece[: LONGEST_LINE + 1])
        room = max(LONGEST_LINE + 1 - len(self.row.text), 0)
        return self.row._replace(text=self.row.text + piece[:room], at=self.row.at or line.at)

    def _close(self) -> Iterator[Row]:
        if self.row and self.row.text:
            yield self.row
        self.row = None


@dataclass(frozen=True)
class View:
    """The part of a log that one page shows."""

    rows: list[Row]
    earlier: int | None
    """The line to load earlier ones before; None where the first one is shown."""
    cursor: str
    """The query string that asks for what comes next."""

    @property
    def last(self) -> int:
        """The number of the last line shown; 0 where there is none."""
        return max((row.number for row in self.rows), default=0)


def chunks_of(attempt: Attempt, position: int = 0) -> Iterator[tuple[int, int, str]]:
    """Yield position, size and entries of what was kept, from `position` on."""
    chunks = attempt.chunks.filter(position__gte=position).order_by("position")
    return chunks.values_list("position", "size", "entries").iterator(chunk_size=16)


def view_of(attempt: Attempt, query: QueryDict) -> View:
    """Return the end of an attempt's log, what precedes `?before=`, or what follows `?after=`."""
    resumed = "after" in query
    reader = Reader.resume(query) if resumed else Reader()
    before = number(query, "before")
    shown: deque[Row] = deque()
    size = 0
    for row in reader.rows(chunks_of(attempt, reader.position)):
        if before is not None and row.number >= before:
            break
        shown.append(row)
        size += len(row.text)
        while len(shown) > VIEW_LINES or size > VIEW_BYTES:
            size -= len(shown.popleft().text)
    first = next((row.number for row in shown if row.number), 1)
    return View(list(shown), first if first > 1 and not resumed else None, reader.cursor)


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
        found.extend(reader.rows([(chunk.position, chunk.size, chunk.entries)]))
    return {attempt_id: list(found) for attempt_id, found in rows.items()}


def raw(attempt: Attempt) -> bytes:
    """Return what was kept of the output, as it was written; a line stands for each gap."""
    parts: list[str] = []
    end = 0
    for position, size, entries in chunks_of(attempt):
        if position > end:
            parts.append(f"\n[{position - end} bytes were not kept]\n")
        end = position + size
        parts.extend(line.text for line in decode(entries))
    return "".join(parts).encode()
