from __future__ import annotations

import pytest

from jobs.lifecycle import output
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.output import Piece
from jobs.models import Attempt, OutputChunk
from jobs.output import Line, encode
from tests.factories import make_attempt, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(db: None) -> Attempt:
    return make_attempt(make_job())


def piece(attempt: Attempt, position: int, text: str, before: int = 0, until: int = 10) -> Piece:
    entries = encode([Line(1000, "out", text)])
    return Piece(attempt.pk, position, len(text), entries, before, until)


def kept(attempt: Attempt) -> list[int]:
    rows = OutputChunk.objects.filter(attempt=attempt).order_by("position")
    return list(rows.values_list("position", flat=True))


def test_pieces_are_read_back_in_their_order(attempt: Attempt, engine: Engine) -> None:
    output.store(engine, [piece(attempt, 5, "world"), piece(attempt, 0, "hello")])
    assert attempt.output == "helloworld"


def test_a_piece_stored_twice_is_kept_once(attempt: Attempt, engine: Engine) -> None:
    for _ in range(2):
        output.store(engine, [piece(attempt, 0, "hello")])
    assert attempt.output == "hello"


def test_the_oldest_pieces_after_the_first_half_are_dropped(
    attempt: Attempt, engine: Engine
) -> None:
    output.store(engine, [piece(attempt, position, "12345") for position in (0, 5, 10, 15, 20)])
    output.store(engine, [piece(attempt, 25, "12345", before=16)])
    assert kept(attempt) == [0, 5, 20, 25]


def test_the_first_half_is_never_dropped(attempt: Attempt, engine: Engine) -> None:
    output.store(engine, [piece(attempt, position, "12345") for position in (0, 5)])
    output.store(engine, [piece(attempt, 10, "12345", before=10)])
    assert kept(attempt) == [0, 5, 10]


def test_a_piece_that_is_at_once_too_old_is_dropped_with_the_rest(
    attempt: Attempt, engine: Engine
) -> None:
    pieces = [piece(attempt, 10, "12345"), piece(attempt, 15, "12345", before=11)]
    output.store(engine, pieces)
    assert kept(attempt) == [15]


def test_what_another_attempt_printed_stays(attempt: Attempt, engine: Engine) -> None:
    other = make_attempt(attempt.job)
    output.store(engine, [piece(other, 10, "theirs"), piece(attempt, 10, "mine")])
    output.store(engine, [piece(attempt, 14, "more", before=11)])
    assert (kept(attempt), kept(other)) == ([14], [10])
