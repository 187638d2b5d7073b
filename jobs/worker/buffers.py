"""In the supervisor: what an attempt has printed and is not yet stored, within its cap."""

from __future__ import annotations

import codecs
import time
from collections import deque
from collections.abc import Callable, Iterable

from ..lifecycle.output import Piece
from ..output import Line, encode

FLUSH_EVERY = 0.2
"""Seconds between two pieces of a running attempt's output."""
FLUSH_FLOOD_EVERY = 1.0
"""The same in its second half, where pieces are stored only to be dropped again by newer ones."""

Entry = tuple[int, str, bytes]
"""Milliseconds, source, bytes."""
Echo = Callable[[str, bytes], None]
"""Is given source and bytes as they arrive."""
_decoder = codecs.getincrementaldecoder("utf-8")


class OutputBuffer:
    """Keeps the first and the last half of `limit` bytes; what lies between is counted and dropped.

    Memory stays below `limit`, however much comes and however slow the database is. Positions count
    the bytes of the whole output, so that a gap shows as one.
    """

    def __init__(
        self, attempt_id: int, limit: int, start: int = 0, echo: Echo | None = None
    ) -> None:
        self.attempt_id = attempt_id
        self.echo = echo
        self.half = limit // 2
        self.total = start
        self.dropped = 0
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
            self.head.append((at, source, data[:room]))
            data = data[room:]
        if data:
            self.tail.append((at, source, data))
            self.tail_bytes += len(data)
        while self.tail_bytes > self.half:
            gone = len(self.tail.popleft()[2])
            self.tail_bytes -= gone
            self.dropped += gone
            self.decoders.clear()

    def due(self, now: float) -> bool:
        """Whether something waits that should be stored by `now`."""
        every = FLUSH_EVERY if self.total <= self.half else FLUSH_FLOOD_EVERY
        return bool(self.head or self.tail) and now - self.flushed_at >= every

    def take(self, now: float, *, last: bool = False) -> list[Piece]:
        """Return what waits as pieces to be stored; with `last`, incomplete characters too."""
        self.flushed_at = now
        pieces = []
        if self.head:
            size = sum(len(data) for _, _, data in self.head)
            pieces.append(self._piece(self.head_stored, size, self.head, last and not self.tail))
            self.head_stored += size
            self.head = []
        if self.tail:
            position = self.total - self.tail_bytes
            self.stored.append((position, self.tail_bytes))
            pieces.append(self._piece(position, self.tail_bytes, self.tail, last))
            self.tail.clear()
            self.tail_bytes = 0
        return pieces

    def _piece(self, position: int, size: int, entries: Iterable[Entry], last: bool) -> Piece:
        lines = [Line(at, source, self._text(source, data)) for at, source, data in entries]
        if last:
            rest = {source: decoder.decode(b"", True) for source, decoder in self.decoders.items()}
            lines += [Line(lines[-1].at, source, text) for source, text in rest.items() if text]
        text = encode(line for line in lines if line.text)
        return Piece(self.attempt_id, position, size, text, self._forget_oldest(), self.half)

    def _text(self, source: str, data: bytes) -> str:
        if source not in self.decoders:
            self.decoders[source] = _decoder("backslashreplace")
        return self.decoders[source].decode(data).replace("\0", "\ufffd")

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
