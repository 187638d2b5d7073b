"""Numbers of lines hold wherever reading begins, and every part of a log can be reached."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from jobs.lifecycle import output
from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt
from jobs.states import AttemptStatus, JobStatus
from jobs.web import logs
from jobs.web.rows import Row
from jobs.worker.buffers import PIECE, OutputBuffer
from tests.factories import make_attempt, make_job


@pytest.fixture
def attempt(db: None) -> Attempt:
    return make_attempt(make_job(JobStatus.RUNNING), AttemptStatus.RUNNING)


def write(buffer: OutputBuffer, *parts: tuple[str, bytes], last: bool = False) -> None:
    """Store what a worker would store of these parts."""
    for source, data in parts:
        buffer.add(source, data)
    output.store(engine_for("default"), buffer.take(0.0, last=last))


def view(attempt: Attempt, query: str = "") -> logs.View:
    return logs.view_of(attempt, QueryDict(query.removeprefix("?")))


def numbered(view: logs.View) -> dict[int, str]:
    return {row.number: row.text for row in view.rows if row.number}


def long_log(attempt: Attempt, count: int, width: int = 10) -> None:
    """Store numbered lines as pieces of some hundred lines each."""
    buffer = OutputBuffer(attempt.pk, 1 << 30)
    for start in range(1, count + 1, 300):
        several = range(start, min(start + 300, count + 1))
        write(buffer, *[("out", f"line {n} {'x' * width}\n".encode()) for n in several])


@pytest.mark.parametrize("line", [1, 2, 777, 3_999, 4_000])
def test_a_link_to_a_line_loads_the_window_around_it(attempt, line) -> None:
    long_log(attempt, 4_000)
    shown = view(attempt, f"line={line}")
    assert numbered(shown)[line].startswith(f"line {line} ")
    assert shown.rows[0].number == max(line - logs.CONTEXT_LINES, 1)
    assert shown.line == line
    assert all(text.startswith(f"line {n} ") for n, text in numbered(shown).items())


def test_a_link_to_a_line_that_is_not_there_leads_to_the_end(attempt) -> None:
    long_log(attempt, 50)
    assert view(attempt, "line=51").last == 50


def test_earlier_and_later_lines_lead_through_the_whole_log(attempt) -> None:
    long_log(attempt, 5_000, width=400)
    shown = view(attempt, "line=2500")
    seen = numbered(shown)
    below = shown
    while below.earlier is not None:
        below = view(attempt, below.earlier_url)
        seen |= numbered(below)
    while shown.later is not None:
        shown = view(attempt, shown.later_url)
        seen |= numbered(shown)
    assert sorted(seen) == list(range(1, 5_001))


def test_a_view_in_the_middle_is_not_followed_and_one_at_the_end_is(attempt, operator) -> None:
    long_log(attempt, 4_000)
    address = attempt.get_absolute_url()
    assert "data-follow" not in operator.get(address + "?line=10").content.decode()
    assert "data-follow" in operator.get(address + "?line=3990").content.decode()


def test_what_comes_faster_than_it_is_read_is_passed_over_with_a_link(attempt, operator) -> None:
    buffer = OutputBuffer(attempt.pk, 1 << 30)
    write(buffer, ("out", b"first\n"))
    cursor = view(attempt).cursor
    for start in range(0, 6_000, 500):
        write(buffer, *[("out", f"{n} {'y' * 90}\n".encode()) for n in range(start, start + 500)])
    shown = view(attempt, cursor)
    assert shown.last == 6_001
    assert sum(len(row.text) for row in shown.rows) <= logs.VIEW_BYTES
    html = operator.get(attempt.get_absolute_url() + cursor).content.decode()
    assert 'href="?from=1"' in html


def test_lines_that_were_not_kept_are_counted(attempt) -> None:
    buffer = OutputBuffer(attempt.pk, 2_000)
    for start in range(1, 1_001, 10):
        write(buffer, *[("out", f"line {n}\n".encode()) for n in range(start, start + 10)])
    shown = view(attempt)
    assert [row.gap > 0 for row in shown.rows].count(True) == 1
    whole = {n: text for n, text in numbered(shown).items() if text.startswith("line ")}
    assert all(text == f"line {n}" for n, text in whole.items())
    assert 1_000 in whole


def test_only_what_was_not_kept_shows_as_a_gap(attempt) -> None:
    long_log(attempt, 5_000, width=400)
    for query in ("", "before=3000", "from=2000", "line=2500"):
        assert not any(row.gap for row in view(attempt, query).rows), query


def test_where_reading_began_is_no_gap(attempt, monkeypatch) -> None:
    monkeypatch.setattr(logs, "FEW_PIECES", 2)
    monkeypatch.setattr(logs, "PIECES", 3)
    buffer = OutputBuffer(attempt.pk, 1 << 20)
    for n in range(10):
        write(buffer, ("out", b"%d\n" % n))
    for query in ("", "before=8", "from=2"):
        assert not any(row.gap for row in view(attempt, query).rows), query
    assert numbered(view(attempt)) == {8: "7", 9: "8", 10: "9"}
    assert (numbered(view(attempt, "from=2")), view(attempt, "from=2").later) == (
        {2: "1", 3: "2", 4: "3"},
        5,
    )


def test_a_gap_just_above_a_window_is_shown(attempt) -> None:
    buffer = OutputBuffer(attempt.pk, 2 * logs.VIEW_BYTES)
    line = b"y" * 99 + b"\n"
    for _ in range(10):
        write(buffer, *[("out", line)] * 1_000)
    shown = view(attempt)
    while shown.earlier and not any(row.gap for row in shown.rows):
        shown = view(attempt, shown.earlier_url)
    assert sum(row.gap for row in shown.rows) == buffer.total - sum(
        attempt.chunks.values_list("size", flat=True)
    )


def test_a_line_broken_by_a_gap_is_no_link_twice(attempt, operator) -> None:
    buffer = OutputBuffer(attempt.pk, 100)
    for _ in range(10):
        write(buffer, ("out", b"z" * 40))
    rows = [row for row in view(attempt).rows if row.number]
    assert [row.number for row in rows] == [1, 1]
    assert [row.rest for row in rows] == [False, True]
    html = operator.get(attempt.get_absolute_url()).content.decode()
    assert html.count('id="L1"') == 1
    assert "began before" in html


def test_the_hooks_output_goes_on_with_the_numbers(attempt) -> None:
    write(OutputBuffer(attempt.pk, 1 << 20), ("out", b"one\ntwo\n"), last=True)
    hook = OutputBuffer(attempt.pk, 1 << 20, start=8, line=2)
    write(hook, ("out", b"three\n"), last=True)
    assert numbered(view(attempt)) == {1: "one", 2: "two", 3: "three"}


def test_a_piece_is_not_much_larger_than_its_measure(attempt) -> None:
    write(OutputBuffer(attempt.pk, 1 << 30), *[("out", b"x" * 65_535 + b"\n")] * 40)
    sizes = list(attempt.chunks.values_list("size", flat=True))
    assert sum(sizes) == 40 * 65_536
    assert max(sizes) <= PIECE + 65_536


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("level=error", ["bad", "worse"]),
        ("level=warning", ["careful", "bad", "worse"]),
        ("level=info", ["noted", "careful", "bad", "worse", "ours"]),
        ("level=out", ["plain", "<b>Ünder</b>"]),
        ("level=err", ["red alert"]),
        ("q=ALERT", ["red alert"]),
        ("q=ünder", ["<b>Ünder</b>"]),
        ("q=r&level=warning", ["careful", "worse"]),
        ("q=100%25", []),
        ("level=nonsense", "all"),
    ],
)
def test_lines_are_picked_by_level_and_text(attempt, query, lines) -> None:
    buffer = OutputBuffer(attempt.pk, 1 << 20)
    write(buffer, ("out", b"plain\n"), ("debug", b"quiet\n"), ("info", b"noted\n"))
    write(buffer, ("warning", b"careful\n"), ("err", b"\x1b[31mred \x1b[1malert\x1b[0m\n"))
    write(buffer, ("error", b"bad\n"), ("critical", b"worse\n"), ("notice", b"ours\n"))
    write(buffer, ("out", "<b>Ünder</b>\n".encode()))
    shown = ["".join(part.text for part in row.segments) for row in view(attempt, query).rows]
    assert len(shown) == 9 if lines == "all" else shown == lines


def test_picked_lines_keep_their_numbers(attempt) -> None:
    long_log(attempt, 4_000)
    shown = view(attempt, "q=line 123 ")
    assert numbered(shown) == {123: f"line 123 {'x' * 10}"}
    assert shown.searched == (1, 4_000)
    assert shown.earlier is None


def test_a_search_says_how_far_it_went_and_goes_on(attempt, monkeypatch) -> None:
    monkeypatch.setattr(logs, "SEARCH_BYTES", 20_000)
    long_log(attempt, 4_000)
    shown = view(attempt, "q=line 123 ")
    assert shown.rows == []
    assert shown.searched is not None
    assert shown.searched[0] > 1
    pages = 1
    while shown.earlier is not None:
        shown = view(attempt, shown.earlier_url)
        pages += 1
        if shown.rows:
            break
    assert numbered(shown) == {123: f"line 123 {'x' * 10}"}
    assert pages > 2


def test_picked_lines_are_followed_too(attempt) -> None:
    buffer = OutputBuffer(attempt.pk, 1 << 20)
    write(buffer, ("info", b"one\n"), ("error", b"two\n"))
    first = view(attempt, "level=error")
    write(buffer, ("info", b"three\n"))
    write(buffer, ("error", b"four\n"))
    second = view(attempt, first.cursor)
    assert numbered(second) == {4: "four"}
    assert view(attempt, second.cursor).rows == []


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["out", "err", "info"]),
        st.sampled_from([b"a", b"b\n", b"\n", b"c\nd", b"e\n\nf\n", "ü\n".encode()]),
    ),
    min_size=1,
    max_size=30,
)


class Numbering(TestCase):
    @settings(max_examples=60, deadline=None)
    @given(parts=PARTS, cuts=st.sets(st.integers(1, 29)), line=st.integers(1, 40))
    def test_every_window_shows_the_rows_of_the_whole(
        self, parts: list[tuple[str, bytes]], cuts: set[int], line: int
    ) -> None:
        attempt = make_attempt(make_job())
        buffer = OutputBuffer(attempt.pk, 1 << 20)
        for place, part in enumerate(parts, start=1):
            buffer.add(*part)
            if place in cuts:
                write(buffer)
        write(buffer, last=True)
        whole = _plain(view(attempt).rows)
        assert [number for number, *_ in whole] == list(range(1, len(whole) + 1))
        assert len(whole) == buffer.line
        window = _plain(logs.forward(attempt, min(line, buffer.line)).rows)
        assert window == whole[min(line, buffer.line) - 1 :]
        assert _plain(logs.backward(attempt, line).rows) == whole[: line - 1]


def _plain(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(row.number, row.source, row.text) for row in rows]
