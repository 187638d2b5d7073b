"""Folds stored output into numbered lines, wherever in it reading begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
from django.http import QueryDict
from django.utils import timezone

from ..models import OutputChunk
from ..output import SOURCES, Line, decode, source_bits
from .filters import choice, number, text
from .terminal import Segment, plain, segments

LONGEST_LINE = 16_384
"""Characters of one line that are shown."""

LEVELS = SOURCES[2:]
PICKED: dict[str, tuple[str, ...]] = {
    "out": ("out",),
    "err": ("err",),
    "debug": (*LEVELS, "other"),
    "info": (*LEVELS[1:], "other"),
    "warning": LEVELS[2:],
    "error": LEVELS[3:],
}
"""What the level filter offers → the sources it lets through; a level of a project counts as info."""


_ESCAPES = ("\\u001b", "\x9b")
"""What a terminal's escapes begin with, as stored."""
_stored_style = re.compile(r"\\u001b\[[0-9;:]*m")
"""The commonest of them: a colour, as stored."""
_between = re.compile(r'"\],\[\d+,"[^"\\]*","')
"""What stands in a stored piece between texts that came one after the other."""
_ended = re.compile(r'(?<!\\)\\n"\],\[')
"""The same, where the first of them ends with its line."""
_unlike_stored = re.compile(r"[\x00-\x1f\x7f\u2400-\u2421]")
"""What is shown otherwise than it is stored."""


class Chunk(NamedTuple):
    """The columns of an `OutputChunk` that reading needs."""

    position: int
    size: int
    first_line: int
    continues: bool
    entries: str

    @classmethod
    def of(cls, one: OutputChunk) -> Chunk:
        return cls(one.position, one.size, one.first_line, one.continues, one.entries)


class Row(NamedTuple):
    """One line of output; with `gap` or `skipped`, a place between lines."""

    number: int
    at: int
    source: str
    text: str
    gap: int = 0
    """Bytes that were not kept here."""
    rest: bool = False
    """Whether its beginning was not kept, or was not read."""
    skipped: int = 0
    """The line after which some are not shown: too many came at once to be followed."""

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
        return len(self.text) > LONGEST_LINE

    @property
    def segments(self) -> list[Segment]:
        """The text as a terminal would show it, with its colours."""
        return segments(self.text.rstrip("\r").rpartition("\r")[2][:LONGEST_LINE])


@dataclass(frozen=True)
class LineFilter:
    """Which lines of a log are shown: those of a level, with a text in them."""

    level: str = ""
    text: str = ""

    @classmethod
    def parse(cls, query: QueryDict) -> LineFilter:
        return cls(choice(query, "level", list(PICKED)), text(query, "q", 100))

    @property
    def narrows(self) -> bool:
        return bool(self.level or self.text)

    @property
    def bits(self) -> int:
        """The sources of the level, as pieces of output count them; 0 for all."""
        return source_bits(PICKED[self.level]) if self.level else 0

    def matches(self, row: Row) -> bool:
        if self.level:
            source = row.source if row.source in SOURCES else "other"
            if source not in PICKED[self.level]:
                return False
        return not self.text or self.text.casefold() in plain(row.text).casefold()

    def promising(self, pieces: list[Chunk]) -> list[Chunk]:
        """Leave out the pieces in none of whose lines its text can be, without reading line by line.

        A line that goes on in the next piece has to be read, and one with rare escapes in it.
        """
        if not self.text or _unlike_stored.search(self.text):
            return pieces
        wanted = msgspec.json.encode(self.text).decode()[1:-1].casefold()
        following = [*pieces[1:], None]
        return [
            one
            for one, after in zip(pieces, following, strict=True)
            if one.continues
            or (after is not None and after.continues)
            or _may_hold(one.entries, wanted)
        ]

    def pairs(self) -> dict[str, str]:
        """Return the parameters it is read from."""
        return {name: value for name, value in (("level", self.level), ("q", self.text)) if value}


def _may_hold(entries: str, wanted: str) -> bool:
    """Whether a line of a stored piece may have the text `wanted`, both as they are stored."""
    if wanted in entries.casefold():
        return True
    escaped = any(escape in entries for escape in _ESCAPES)
    # Most texts end with their line; where one does not, it is at the next one that the line goes on.
    if not escaped and entries.count('"],[') == len(_ended.findall(entries)):
        return False
    shown = _stored_style.sub("", _between.sub("", entries))
    return any(escape in shown for escape in _ESCAPES) or wanted in shown.casefold()


@dataclass
class Reader:
    """Folds chunks into rows. Its fields are where it stands, so reading can go on from there."""

    position: int = 0
    """Bytes of output already read."""
    number: int = 0
    """Number of the latest row."""
    row: Row | None = None
    """The latest row while no line end was seen for it."""
    gaps: bool = True
    """Whether a jump of the position means that something was not kept."""

    @classmethod
    def resume(cls, query: QueryDict) -> Reader:
        """Return the reader whose `cursor` is in a query string."""
        line, source = number(query, "row") or 0, text(query, "open", 10)
        row = Row(line, 0, source, "") if source else None
        return cls(number(query, "after") or 0, line, row)

    def cursor(self, **also: str) -> str:
        """Return the query string that goes on from here."""
        source = self.row.source if self.row else ""
        place = {"after": self.position, "row": self.number, "open": source}
        return "?" + urlencode(place | also)

    def rows(self, chunks: Iterable[Chunk]) -> Iterator[Row]:
        """Yield the rows of `chunks`, which are in order.

        The last row may be unfinished; it is then yielded as it stands and stays open.
        """
        for chunk in chunks:
            lines = decode(chunk.entries)
            if chunk.position > self.position and self.gaps:
                yield from self._close()
                yield Row(0, 0, "", "", gap=chunk.position - self.position)
            # Pieces may be left out before it, the one in which its first line has begun among them.
            if not (chunk.continues and self.row and chunk.position == self.position):
                yield from self._close()
                self._begin(chunk, lines)
            self.position = chunk.position + chunk.size
            for line in lines:
                yield from self._take(line)
        if self.row and self.row.text:
            yield self.row

    def _begin(self, chunk: Chunk, lines: list[Line]) -> None:
        self.number = chunk.first_line - 1
        if chunk.continues and lines:
            self.number = chunk.first_line
            self.row = Row(self.number, 0, lines[0].source, "", rest=True)

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
