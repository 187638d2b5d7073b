"""A search of a log passes over stored pieces that cannot hold the text, and over no others."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.models import Attempt
from jobs.states import JobStatus
from jobs.web import log_search
from tests.factories import make_attempt, make_job, make_output


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["one\n", "a needle\n", "three\n"], "NEEDLE"),
        (["a nee", "dle\n", "three\n"], "needle"),
        (["a n\x1b[31mee\x1b[0mdle\n", "two\n"], "needle"),
        (["a n\x9b31mee\x9b0mdle\n", "two\n"], "needle"),
        (['a "needle" \\ here\n', "two\n"], '"needle" \\'),
        (["straße needle\n", "two\n"], "STRASSE"),
        (["bell\x07 needle\n", "two\n"], "\u2407 needle"),
        (["one \x1b]8;;http://x\x07needle\n", "two\n"], "one needle"),
        (["ÄRGER needle\n", "two\n"], "ärger"),
    ],
)
def test_a_text_is_found_however_it_is_stored(pieces, text, operator) -> None:
    attempt = make_attempt(make_job(JobStatus.COMPLETED))
    for piece in pieces:
        make_output(attempt, ("out", piece))
    line = 2 if pieces[0] == "one\n" else 1
    assert found_in_one(operator, attempt, text) == found_in_all(operator, text) == [line]


def test_a_text_is_found_that_came_in_two_parts_of_one_piece(operator) -> None:
    attempt = make_attempt(make_job(JobStatus.COMPLETED))
    make_output(attempt, ("out", "one\n"), ("out", "a ne\x1b[1"), ("out", "me\x1b[0mdle\n"))
    assert found_in_one(operator, attempt, "needle") == found_in_all(operator, "needle") == [2]


def test_a_level_is_found_with_its_number_behind_pieces_without_it(operator) -> None:
    attempt = make_attempt(make_job(JobStatus.COMPLETED))
    make_output(attempt, ("err", "open"))
    make_output(attempt, ("out", "two\nthree\nfo"))
    make_output(attempt, ("out", "ur\n"), ("err", "five\n"))
    assert found_in_one(operator, attempt, "five") == [5]
    answer = operator.get(attempt.get_absolute_url(), {"level": "err"})
    assert [row.number for row in answer.context["log"].rows] == [1, 5]
    answer = operator.get("/view/logs", {"level": "err"})
    assert [row.number for _, rows in answer.context["entries"] for row in rows] == [1, 5]


def test_a_line_is_found_whose_beginning_the_page_does_not_look_at(operator, monkeypatch) -> None:
    attempt = make_attempt(make_job(JobStatus.COMPLETED))
    make_output(attempt, ("out", "one\na nee"))
    make_output(attempt, ("out", "dle\n"))
    monkeypatch.setattr(log_search, "PIECES_SEARCHED", 1)
    assert found_in_all(operator, "needle") == [2]


def found_in_one(client: Any, attempt: Attempt, text: str) -> list[int]:
    """Return the numbers of the lines that the page of an attempt finds."""
    rows = client.get(attempt.get_absolute_url(), {"q": text}).context["log"].rows
    return [row.number for row in rows if row.number]


def found_in_all(client: Any, text: str) -> list[int]:
    """Return the numbers of the lines that the page of all logs finds."""
    entries = client.get("/view/logs", {"q": text}).context["entries"]
    return [row.number for _, rows in entries for row in rows]
