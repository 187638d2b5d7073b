"""In the supervisor: what an attempt has printed and is not yet stored, within its cap."""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..lifecycle.output import Piece
from ..output import Line, decode, encode, source_bits

FLUSH_EVERY = 0.2
"""Seconds between two pieces of a running attempt's output."""
FLUSH_FLOOD_EVERY = 1.0
"""The same in its second half, where pieces are stored only to be dropped again by newer ones."""

Echo = Callable[[str, bytes], None]
"""Is given source and bytes as they arrive."""
PIECE = 128 * 1024
"""Bytes after which a piece ends, so that a reader of the last lines need not read more than those."""
_decoder = codecs.getincrementaldecoder("utf-8")


class Entry(NamedTuple):
    """Bytes that came at once, and the numbers of the lines they begin and end in."""

    at: int
    """Milliseconds since 1970, UTC."""
    source: str
    data: bytes
    first_line: int
    last_line: int
    continues: bool
    """Whether their first line had begun before."""


class OutputBuffer:
    """Keeps the first and the last half of `limit` bytes; what lies between is counted and dropped.

    Memory stays below `limit`, however much comes and however slow the database is. Positions count
    the bytes of the whole output, so that a gap shows as one; numbers of lines do likewise. A line
    ends where another source begins.
    """

    def __init__(
        self,
        attempt_id: int,
        limit: int,
        start: int = 0,
        echo: Echo | None = None,
        *,
        line: int = 0,
    ) -> None:
        """Go on after `start` bytes and `line` lines, where a process before has written those."""
        self.attempt_id = attempt_id
        self.echo = echo
        self.half = limit // 2
        self.total = start
        self.dropped = 0
        self.line = line
        """Number of the latest line."""
        self.open_source = ""
        """Where the latest line comes from, while its end has not come."""
        self.head: list[Entry] = []
        self.head_stored = start
        self.tail: deque[Entry] = deque()
        self.tail_bytes = 0
        self.stored: deque[tuple[int, int]] = deque()
        """Position and size of the pieces stored of the second half."""
        self.flushed_at = 0.0
        self.decoders: dict[str, codecs.IncrementalDecoder] = {}

    def add(self, source: str, data: bytes) -> None:
        """Take bytes as they came from a stream, or the whole text of a log record."""
        if self.echo:
            self.echo(source, data)
        at = int(time.time() * 1000)
        room = max(0, self.half - self.total)
        self.total += len(data)
        if room:
            self.head.append(self._numbered(at, source, data[:room]))
            data = data[room:]
        if data:
            self.tail.append(self._numbered(at, source, data))
            self.tail_bytes += len(data)
        while self.tail_bytes > self.half:
            gone = len(self.tail.popleft().data)
            self.tail_bytes -= gone
            self.dropped += gone
            self.decoders.clear()

    def _numbered(self, at: int, source: str, data: bytes) -> Entry:
        continues = self.open_source == source
        first = self.line if continues else self.line + 1
        is_open = not data.endswith(b"\n")
        self.line = first + data.count(b"\n") - (not is_open)
        self.open_source = source if is_open else ""
        return Entry(at, source, data, first, self.line, continues)

    def due(self, now: float) -> bool:
        """Whether something waits that should be stored by `now`."""
        every = FLUSH_EVERY if self.total <= self.half else FLUSH_FLOOD_EVERY
        return bool(self.head or self.tail) and now - self.flushed_at >= every

    def take(self, now: float, *, last: bool = False) -> list[Piece]:
        """Return what waits as pieces to be stored; with `last`, incomplete characters too."""
        self.flushed_at = now
        tail_position = self.total - self.tail_bytes
        pieces = [
            *self._pieces(self.head, self.head_stored),
            *self._pieces(self.tail, tail_position),
        ]
        self.head_stored += sum(len(one.data) for one in self.head)
        self.head = []
        self.tail.clear()
        self.tail_bytes = 0
        if pieces and last:
            pieces[-1] = self._completed(pieces[-1])
        return pieces

    def _pieces(self, entries: Iterable[Entry], position: int) -> Iterator[Piece]:
        some: list[Entry] = []
        size = 0
        for one in entries:
            some.append(one)
            size += len(one.data)
            if size >= PIECE:
                yield self._piece(some, position, size)
                position, size, some = position + size, 0, []
        if some:
            yield self._piece(some, position, size)

    def _piece(self, entries: list[Entry], position: int, size: int) -> Piece:
        if position >= self.half:
            self.stored.append((position, size))
        lines = [Line(one.at, one.source, self._text(one.source, one.data)) for one in entries]
        return Piece(
            self.attempt_id,
            position,
            size,
            encode(line for line in lines if line.text),
            self._forget_oldest(),
            self.half,
            entries[0].first_line,
            entries[-1].last_line,
            entries[0].continues,
            source_bits(one.source for one in entries),
        )

    def _completed(self, piece: Piece) -> Piece:
        """Return the last piece with what is left of characters whose end never came."""
        at = int(time.time() * 1000)
        rest = {source: decoder.decode(b"", True) for source, decoder in self.decoders.items()}
        lines = [Line(at, source, text) for source, text in rest.items() if text]
        if not lines:
            return piece
        return piece._replace(entries=encode([*decode(piece.entries), *lines]))

    def _text(self, source: str, data: bytes) -> str:
        decoder = self.decoders.pop(source, None) or _decoder("backslashreplace")
        text = decoder.decode(data)
        if decoder.getstate()[0]:  # Half a character; sources may be made up by the thousand.
            self.decoders[source] = decoder
        return text.replace("\0", "\ufffd")

    def _forget_oldest(self) -> int:
        """Return the position before which stored pieces of the second half are to be dropped."""
        size = sum(size for _, size in self.stored)
        before = 0
        while size > self.half and len(self.stored) > 1:
            position, gone = self.stored.popleft()
            size -= gone
            self.dropped += gone
            before = position + 1
        return before
