"""Lines of all attempts that match: found as in the log of one attempt, a bounded part at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.models import OuterRef, QuerySet, Subquery

from ..models import Attempt, OutputChunk
from .logs import with_sources
from .rows import Chunk, LineFilter, Reader, Row
from .views import LARGE_OF_JOB

PIECES_SEARCHED, BYTES_SEARCHED = 2_500, 4 * 1024 * 1024
"""Stored pieces, of all attempts, that one page looks through, and bytes: whichever is less."""
PIECES_FOUND = 30
LINES_FOUND = 20
"""Pieces with a match, and lines of one attempt, that one page shows."""
AT_FIRST = 60
"""Pieces that are read and searched before more are: often they hold enough."""


class Found(NamedTuple):
    """The matches of one page of a search, and how far that went."""

    entries: list[tuple[Attempt, list[Row]]]
    unshown: dict[int, int]
    """Attempt → how many of its lines match before those of the entry; none where all are there."""
    older: int | None
    """The key of the piece to search on before; None where everything has been searched."""
    pieces: int
    size: int
    """Pieces and bytes that were looked through."""


class Window(NamedTuple):
    """The stored pieces that a page looks through, the newest first, by key and size."""

    pieces: list[tuple[int, int]]
    is_last: bool
    """Whether there are no older ones."""

    @classmethod
    def before(cls, key: int | None) -> Window:
        pieces = OutputChunk.objects.order_by("-pk")
        if key is not None:
            pieces = pieces.filter(pk__lt=key)
        found = list(pieces.values_list("pk", "size")[: PIECES_SEARCHED + 1])
        size, taken = 0, 0
        for _, one in found[:PIECES_SEARCHED]:
            size, taken = size + one, taken + 1
            if size >= BYTES_SEARCHED:
                break
        return cls(found[:taken], taken == len(found))

    def from_key(self, floor: int) -> Window:
        """Return its part that begins with the piece of this key."""
        return Window([one for one in self.pieces if one[0] >= floor], False)

    @property
    def floor(self) -> int:
        return self.pieces[-1][0]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.pieces)


class Piece(NamedTuple):
    key: int
    attempt: int
    chunk: Chunk


class Match(NamedTuple):
    key: int
    """Of the piece that the line ends in."""
    attempt: int
    row: Row


def search(wanted: QuerySet[OutputChunk], picked: LineFilter, before: int | None) -> Found:
    """Look through the latest pieces of output, or those before a key, for lines of the `wanted`."""
    window = Window.before(before)
    if not window.pieces:
        return Found([], {}, None, 0, 0)
    inside = with_sources(wanted, picked).filter(pk__gte=window.floor, pk__lte=window.pieces[0][0])
    matches: dict[tuple[int, int], Match] = {}
    keys: list[int] = []
    for pieces in _parts(inside.order_by("-pk")):
        for match in _matches(pieces, picked):
            # What newer pieces told of a line is more of it.
            matches.setdefault((match.attempt, match.row.number), match)
        keys = sorted({match.key for match in matches.values()}, reverse=True)
        if len(keys) > PIECES_FOUND:
            window = window.from_key(keys[PIECES_FOUND - 1])
            break
    entries = _by_attempt([one for one in matches.values() if one.key >= window.floor])
    shown = [(attempt, rows[-LINES_FOUND:]) for attempt, rows in entries]
    unshown = {one.pk: len(rows) - LINES_FOUND for one, rows in entries if len(rows) > LINES_FOUND}
    older = None if window.is_last else window.floor
    return Found(shown, unshown, older, len(window.pieces), window.size)


_COLUMNS = ("pk", "attempt_id", *Chunk._fields)


def _read(pieces: QuerySet[OutputChunk]) -> list[Piece]:
    rows = pieces.values_list(*_COLUMNS)
    return [Piece(key, attempt, Chunk(*columns)) for key, attempt, *columns in rows]


class Part(NamedTuple):
    """Pieces that are searched together, and those in which their first lines may have begun."""

    pieces: list[Piece]
    ending: dict[tuple[int, int], Piece]
    """Attempt and position at which one ends → that one."""


def _parts(pieces: QuerySet[OutputChunk]) -> Iterator[Part]:
    """Read pieces, the newest first, in parts: what is not searched in the end is mostly not read."""
    first = _read(pieces[:AT_FIRST])
    yield Part(first, _by_end(_begun_before(first)))
    if len(first) < AT_FIRST:
        return
    rest = _read(pieces.filter(pk__lt=first[-1].key)[:PIECES_SEARCHED])
    ending = _by_end([*rest, *_begun_before(rest)])
    for start in range(0, len(rest), AT_FIRST):
        yield Part(rest[start : start + AT_FIRST], ending)


def _by_end(pieces: list[Piece]) -> dict[tuple[int, int], Piece]:
    return {(one.attempt, one.chunk.position + one.chunk.size): one for one in pieces}


def _begun_before(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces in which the first lines of some have begun that are older than all of them."""
    oldest: dict[int, Piece] = {}
    for piece in pieces:
        first = oldest.setdefault(piece.attempt, piece)
        if piece.chunk.position < first.chunk.position:
            oldest[piece.attempt] = piece
    continuing = [piece.key for piece in oldest.values() if piece.chunk.continues]
    if not continuing:
        return []
    earlier = OutputChunk.objects.filter(
        attempt=OuterRef("attempt"), position__lt=OuterRef("position")
    ).order_by("-position")
    keys = OutputChunk.objects.filter(pk__in=continuing).values(
        key=Subquery(earlier.values("pk")[:1])
    )
    return _read(OutputChunk.objects.filter(pk__in=keys)[:PIECES_SEARCHED])


def _matches(part: Part, picked: LineFilter) -> Iterator[Match]:
    """Yield the lines of a part that match, each with the piece that it ends in."""
    of_attempt: dict[int, list[Piece]] = defaultdict(list)
    for piece in part.pieces:
        of_attempt[piece.attempt].append(piece)
    for attempt, some in of_attempt.items():
        some.sort(key=lambda piece: piece.chunk.position)
        first = some[0].chunk
        begun = part.ending.get((attempt, first.position)) if first.continues else None
        some = [begun, *some] if begun else some
        keys = {piece.chunk.position: piece.key for piece in some}
        reader = Reader(gaps=False)
        found: dict[int, Match] = {}
        for chunk in picked.promising([piece.chunk for piece in some]):
            for row in reader.rows([chunk]):
                # A line that goes on in the next piece comes again, with more of it.
                if picked.matches(row) and chunk.position >= first.position:
                    found[row.number] = Match(keys[chunk.position], attempt, row)
        yield from found.values()


def _by_attempt(matches: Iterable[Match]) -> list[tuple[Attempt, list[Row]]]:
    """Return the attempts of lines, those with the newest piece first, each with its lines."""
    rows: dict[int, list[Row]] = defaultdict(list)
    newest: dict[int, int] = {}
    for match in sorted(matches, key=lambda one: one.row.number):
        rows[match.attempt].append(match.row)
        newest[match.attempt] = max(newest.get(match.attempt, 0), match.key)
    unread = ("traceback", "receipt", "samples", *(f"job__{name}" for name in LARGE_OF_JOB))
    attempts = Attempt.objects.filter(pk__in=list(rows)).select_related("job", "worker")
    shown = sorted(attempts.defer(*unread)[:PIECES_FOUND], key=lambda one: -newest[one.pk])
    return [(attempt, rows[attempt.pk]) for attempt in shown]
