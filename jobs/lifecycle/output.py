"""Storing what attempts print: pieces in order, and no more of them than the cap allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import transaction

from ..models import OutputChunk
from .engines import Engine


class Piece(NamedTuple):
    """A piece of an attempt's output, ready to be stored."""

    attempt_id: int
    position: int
    """Bytes of the attempt's output before it."""
    size: int
    entries: str
    drop_before: int
    """Stored pieces that begin before this position, but not before `keep_until`, are dropped."""
    keep_until: int
    first_line: int = 1
    last_line: int = 1
    """Numbers of the lines it begins and ends in."""
    continues: bool = False
    """Whether its first line began in an earlier piece."""
    sources: int = 0
    """As of `jobs.output.source_bits`."""


STORED = (
    "attempt_id",
    "position",
    "size",
    "entries",
    "first_line",
    "last_line",
    "continues",
    "sources",
)


def store(engine: Engine, pieces: Sequence[Piece]) -> None:
    """Store pieces; an attempt over its cap loses the oldest ones after its first half."""
    rows = [OutputChunk(**{name: getattr(one, name) for name in STORED}) for one in pieces]
    with transaction.atomic(using=engine.alias, savepoint=False):
        chunks = OutputChunk.objects.using(engine.alias)
        chunks.bulk_create(rows, ignore_conflicts=True)
        for one in pieces:
            if one.drop_before > one.keep_until:
                chunks.filter(
                    attempt_id=one.attempt_id,
                    position__gte=one.keep_until,
                    position__lt=one.drop_before,
                ).delete()
