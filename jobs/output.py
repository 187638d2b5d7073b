"""How captured output is stored: JSON lists of `[milliseconds, source, text]`.

`source` is `out` or `err` for the two streams, else the lower-case level of a log record.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec


class Line(NamedTuple):
    """A piece of output as it arrived; `text` carries its own line ends."""

    at: int
    """Milliseconds since 1970, UTC."""
    source: str
    text: str


SOURCES = ("out", "err", "debug", "info", "warning", "error", "critical")
"""What a line may come from; any other word is a level that a project has added."""
OTHER_SOURCE = 1 << len(SOURCES)
_bits = {source: 1 << place for place, source in enumerate(SOURCES)}


def source_bits(sources: Iterable[str]) -> int:
    """Return a number with one bit for each of `sources`; those of a project share the last bit."""
    bits = 0
    for source in sources:
        bits |= _bits.get(source, OTHER_SOURCE)
    return bits


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Line])


def clean(text: str) -> str:
    """Return `text` as every database stores it: NUL becomes U+FFFD, a lone surrogate its escape."""
    return text.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()


def encode(lines: Iterable[Line]) -> str:
    """Return `lines`, whose texts are clean, as the text of an `OutputChunk`."""
    return _encoder.encode(list(lines)).decode()


def decode(entries: str) -> list[Line]:
    """Return the lines of an `OutputChunk`."""
    return _decoder.decode(entries)
