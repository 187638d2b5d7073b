"""Parts of the log of one attempt: its end, what precedes a line, what follows it, what matches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import F, QuerySet
from django.http import QueryDict

from ..models import Attempt, OutputChunk
from ..output import decode
from .filters import number
from .rows import Chunk, LineFilter, Reader, Row

VIEW_BYTES = 256 * 1024
VIEW_LINES = 1_000
"""How much of a log one page shows: whichever is less."""

SEARCH_BYTES = 4 * 1024 * 1024
"""How much of a log one page looks through for a level or a text."""

FEW_PIECES, PIECES = 50, 2_000
"""Stored pieces that mostly hold enough, and that one page looks at, however small they are."""
PIECES_AT_ONCE = 16
"""Of a raw log, in memory."""

CONTEXT_LINES = 20
"""Lines shown above one that a link leads to."""


class Extent(NamedTuple):
    """What a stored piece covers, without the piece itself."""

    position: int
    size: int
    first_line: int
    last_line: int


@dataclass(frozen=True)
class View:
    """The part of a log that one page shows."""

    rows: list[Row]
    reader: Reader
    picked: LineFilter
    earlier: int | None = None
    """The line to load earlier ones before; None where the first one is shown."""
    later: int | None = None
    """The line to load from; None where the end is shown."""
    searched: tuple[int, int] | None = None
    """The first and the last line looked through, where a filter is on."""
    line: int | None = None
    """The line that was asked for."""

    @property
    def cursor(self) -> str:
        """The query string that asks for what comes next."""
        return self.reader.cursor(**self.picked.pairs())

    @property
    def earlier_url(self) -> str:
        return "?" + urlencode({"before": self.earlier or 1, **self.picked.pairs()})

    @property
    def later_url(self) -> str:
        """Where the next lines are; of matches, which are found from the end, the last ones."""
        pairs = self.picked.pairs()
        return "?" + urlencode(pairs or {"from": self.later})

    @property
    def last(self) -> int:
        """The number of the last line shown; 0 where there is none."""
        return max((row.number for row in self.rows), default=0)


@dataclass
class Pane:
    """The rows a page has room for; over that, the first ones or the last ones go."""

    rows: deque[Row] = field(default_factory=deque)
    lines: int = 0
    size: int = 0

    def is_full(self) -> bool:
        return self.lines >= VIEW_LINES or self.size >= VIEW_BYTES

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._count(row, 1)

    def push(self, row: Row) -> None:
        """Add a row and let those go from the top that there is no more room for."""
        self.add(row)
        while self.lines > VIEW_LINES or self.size > VIEW_BYTES:
            self._count(self.rows.popleft(), -1)

    def _count(self, row: Row, sign: int) -> None:
        self.lines += sign * bool(row.number)
        self.size += sign * len(row.text)

    def first(self) -> int:
        return next((row.number for row in self.rows if row.number), 1)


def view_of(attempt: Attempt, query: QueryDict) -> View:
    """Return the part of a log that a query string asks for.

    `?before=` a line, `?from=` it, `?line=` around it, `?after=` as a cursor says; else the end.
    `level` and `q` pick lines: pieces are then looked through from the end.
    """
    picked = LineFilter.parse(query)
    before, line = number(query, "before"), number(query, "line")
    if "after" in query:
        return following(attempt, Reader.resume(query), picked)
    if picked.narrows:
        return search(attempt, picked, before)
    if line is not None:
        start = max(line - CONTEXT_LINES, 1)
        return forward(attempt, start, line)
    if (start_at := number(query, "from")) is not None:
        return forward(attempt, start_at)
    return backward(attempt, before)


def backward(attempt: Attempt, before: int | None) -> View:
    """Return the last lines of a log, or the last ones before a line."""
    pieces = (
        attempt.chunks.all() if before is None else attempt.chunks.filter(first_line__lt=before)
    )
    extents, taken = newest(pieces, VIEW_BYTES, VIEW_LINES)
    reader, pane = Reader(position=end_before(extents, taken)), Pane()
    for row in reader.rows(read(pieces, extents[:taken])):
        if before is not None and row.number >= before:
            break
        pane.push(row)
    earlier = pane.first()
    return View(
        list(pane.rows),
        reader,
        LineFilter(),
        earlier=earlier if earlier > 1 else None,
        later=before,
    )


def forward(attempt: Attempt, start: int, line: int | None = None) -> View:
    """Return the lines of a log from `start` on; a `line` that does not exist leads to the end."""
    beyond = attempt.chunks.filter(last_line__gte=start).order_by("position")
    found = beyond.values_list("position", flat=True).first()
    if found is None:
        return backward(attempt, None)
    pieces = attempt.chunks.filter(position__gte=found)
    columns = pieces.order_by("position").values_list(*Extent._fields)
    extents = [Extent(*one) for one in columns[: PIECES + 1]]
    taken = enough(extents, VIEW_BYTES, VIEW_LINES + CONTEXT_LINES)
    reader, pane = Reader(position=found), Pane()
    later = None if taken == len(extents) else extents[taken].first_line
    for row in reader.rows(read(pieces, extents[:taken])):
        if row.number and row.number < start:
            continue
        if pane.is_full() and row.number:
            later = row.number
            break
        pane.add(row)
    earlier = pane.first()
    return View(
        list(pane.rows),
        reader,
        LineFilter(),
        earlier=earlier if earlier > 1 else None,
        later=later,
        line=line,
    )


def following(attempt: Attempt, reader: Reader, picked: LineFilter) -> View:
    """Return what has come since a reader stopped; of very much, the end."""
    pieces = with_sources(attempt.chunks.filter(position__gte=reader.position), picked)
    extents, taken = newest(pieces, VIEW_BYTES, VIEW_LINES)
    pane, passed_over = Pane(), []
    if taken < len(extents):
        passed_over = [Row(0, 0, "", "", skipped=reader.number)]
        reader = Reader(position=extents[taken - 1].position)
    reader.gaps = not picked.narrows
    for row in reader.rows(read(pieces, extents[:taken])):
        if not row.number or picked.matches(row):
            pane.push(row)
    return View([*passed_over, *pane.rows], reader, picked)


def search(attempt: Attempt, picked: LineFilter, before: int | None) -> View:
    """Return the last lines that match, among so many bytes from the end or before a line."""
    pieces = (
        attempt.chunks.all() if before is None else attempt.chunks.filter(first_line__lt=before)
    )
    pieces = with_sources(pieces, picked)
    extents, taken = newest(pieces, SEARCH_BYTES, None)
    reader, pane = Reader(gaps=False), Pane()
    for row in reader.rows(picked.promising(read(pieces, extents[:taken]))):
        if before is not None and row.number >= before:
            break
        if picked.matches(row):
            pane.push(row)
    if not extents:
        return View([], reader, picked, later=before)
    first = extents[taken - 1].first_line
    is_full = pane.is_full()
    # The first line of the oldest piece may have begun in one that was not read.
    rest = None if taken == len(extents) else first + 1
    return View(
        list(pane.rows),
        reader,
        picked,
        earlier=pane.first() if is_full else rest,
        later=before,
        searched=(first, before - 1 if before else extents[0].last_line),
    )


def newest(pieces: QuerySet[OutputChunk], size: int, lines: int | None) -> tuple[list[Extent], int]:
    """Return what the latest pieces cover, the latest first, and how many hold so much."""
    columns = pieces.order_by("-position").values_list(*Extent._fields)
    extents: list[Extent] = []
    taken = 0
    for looked_at in (FEW_PIECES, PIECES):
        extents = [Extent(*one) for one in columns[: looked_at + 1]]
        taken = enough(extents, size, lines)
        if taken < len(extents) - 1 or len(extents) <= looked_at:
            break
    return extents, taken


def enough(extents: list[Extent], size: int, lines: int | None) -> int:
    """Return how many of `extents` hold so many bytes or lines; of none too many, all of them."""
    bytes_taken = lines_taken = 0
    for taken, one in enumerate(extents[:PIECES], start=1):
        bytes_taken += one.size
        lines_taken += one.last_line - one.first_line
        if bytes_taken >= size or (lines is not None and lines_taken > lines):
            return taken
    return min(len(extents), PIECES)


def end_before(extents: list[Extent], taken: int) -> int:
    """Return where the piece before the oldest one that is taken ends; newest first."""
    if taken < len(extents):
        return extents[taken].position + extents[taken].size
    return 0


def with_sources(pieces: QuerySet[OutputChunk], picked: LineFilter) -> QuerySet[OutputChunk]:
    if not picked.bits:
        return pieces
    return pieces.annotate(found=F("sources").bitand(picked.bits)).filter(found__gt=0)


def read(pieces: QuerySet[OutputChunk], extents: Iterable[Extent]) -> list[Chunk]:
    """Return the pieces that cover `extents`, in their order."""
    places = [one.position for one in extents]
    if not places:
        return []
    found = pieces.filter(position__gte=min(places), position__lte=max(places))
    columns = found.order_by("position").values_list(*Chunk._fields)
    return [Chunk(*one) for one in columns[:PIECES]]


def read_from_start(attempt: Attempt, size: int) -> Iterator[Row]:
    """Yield the rows of a log from its first one, up to so many bytes of it."""
    chunks = attempt.chunks.filter(position__lt=size).order_by("position")[:PIECES]
    yield from Reader().rows(Chunk(*one) for one in chunks.values_list(*Chunk._fields))


def stored_bytes(attempt: Attempt) -> int:
    """Return how far the stored output of an attempt reaches, in bytes; 0 where there is none."""
    last = attempt.chunks.order_by("-position").values_list("position", "size").first()
    return sum(last) if last else 0


def raw(attempt: Attempt) -> Iterator[bytes]:
    """Yield what was kept of the output, as it was written; a line stands for each gap."""
    end, position = 0, -1
    chunks = attempt.chunks.order_by("position").values_list("position", "size", "entries")
    # Not `iterator()`: its cursor would be open for as long as the download takes, and needs a session.
    while page := list(chunks.filter(position__gt=position)[:PIECES_AT_ONCE]):
        for position, size, entries in page:
            if position > end:
                yield f"\n[{position - end} bytes were not kept]\n".encode()
            end = position + size
            yield "".join(line.text for line in decode(entries)).encode()
