from __future__ import annotations

import re

import pytest
from django.http import QueryDict

from jobs.models import Attempt
from jobs.states import AttemptStatus, JobStatus
from jobs.web import alllogs, logs
from tests.factories import make_attempt, make_job, make_output


@pytest.fixture
def attempt(db: None) -> Attempt:
    return make_attempt(make_job(JobStatus.RUNNING), AttemptStatus.RUNNING)


def view(attempt: Attempt, query: str = "") -> logs.View:
    return logs.view_of(attempt, QueryDict(query.removeprefix("?")))


def texts(view: logs.View) -> list[str]:
    return [f"{row.source}:{row.text}" if not row.gap else f"gap:{row.gap}" for row in view.rows]


def test_pieces_of_one_stream_join_to_lines(attempt) -> None:
    make_output(attempt, ("out", "one\ntw"), ("out", "o\n"))
    make_output(attempt, ("out", "thr"))
    make_output(attempt, ("out", "ee\nfour"))
    assert texts(view(attempt)) == ["out:one", "out:two", "out:three", "out:four"]


def test_another_source_begins_a_line_of_its_own(attempt) -> None:
    make_output(attempt, ("out", "half"), ("err", "oops\n"), ("info", "noted\n"), ("out", "rest\n"))
    assert texts(view(attempt)) == ["out:half", "err:oops", "info:noted", "out:rest"]


def test_an_empty_line_stays(attempt) -> None:
    make_output(attempt, ("out", "a\n\nb\n"))
    assert texts(view(attempt)) == ["out:a", "out:", "out:b"]


def test_a_gap_is_shown_where_output_was_not_kept(attempt, operator) -> None:
    make_output(attempt, ("out", "head\n"))
    make_output(attempt, ("out", "tail\n"), gap=5_000)
    assert texts(view(attempt)) == ["out:head", "gap:5000", "out:tail"]
    html = operator.get(attempt.get_absolute_url()).content.decode()
    assert html.count("4.9\xa0KiB not kept") == 2


def test_a_reader_goes_on_where_it_stopped(attempt) -> None:
    make_output(attempt, ("out", "one\nbegin"))
    first = view(attempt)
    assert view(attempt, first.cursor).rows == []
    make_output(attempt, ("out", " end\nlast\n"))
    second = view(attempt, first.cursor)
    assert [(row.number, row.text) for row in second.rows] == [(2, " end"), (3, "last")]
    assert view(attempt, second.cursor).rows == []


def test_a_line_that_went_on_under_another_source_is_a_new_one(attempt) -> None:
    make_output(attempt, ("out", "begin"))
    first = view(attempt)
    make_output(attempt, ("err", "oops\n"))
    assert [(row.number, row.text) for row in view(attempt, first.cursor).rows] == [(2, "oops")]


def test_following_piece_by_piece_shows_what_a_reload_shows(attempt) -> None:
    pieces = [("out", "a"), ("out", "b\nc"), ("err", "d\n"), ("out", "e\n\n"), ("info", "f\n")]
    lines: dict[int, str] = {}
    cursor = ""
    for piece in pieces:
        make_output(attempt, piece)
        step = view(attempt, cursor)
        cursor = step.cursor
        for row in step.rows:
            lines[row.number] = lines.get(row.number, "") + row.text
    assert lines == {row.number: row.text for row in view(attempt).rows}


def test_the_first_view_is_the_end_of_a_long_log(attempt) -> None:
    for part in range(8):
        make_output(attempt, *[("out", f"{part}-{n} {'x' * 90}\n") for n in range(1000)])
    shown = view(attempt)
    assert sum(len(row.text) for row in shown.rows) <= logs.VIEW_BYTES
    assert shown.rows[-1].number == 8000
    assert shown.earlier == shown.rows[0].number > 1


def test_load_earlier_leads_to_the_first_line(attempt) -> None:
    make_output(attempt, *[("out", f"{n}\n") for n in range(2 * logs.VIEW_LINES + 5)])
    numbers: list[int] = []
    shown = view(attempt)
    while True:
        numbers = [row.number for row in shown.rows] + numbers
        if shown.earlier is None:
            break
        shown = view(attempt, f"before={shown.earlier}")
    assert numbers == list(range(1, 2 * logs.VIEW_LINES + 6))


def test_a_page_without_newlines_is_cut_with_a_mark(attempt, operator) -> None:
    make_output(attempt, ("out", "x" * 1_000_000))
    html = operator.get(attempt.get_absolute_url()).content.decode()
    assert "line cut here" in html
    assert len(html) < 60_000


def test_a_carriage_return_shows_the_last_state_of_a_line(attempt) -> None:
    make_output(attempt, ("err", "10%\r50%\r100%\ndone\r\n"))
    shown = view(attempt).rows
    assert ["".join(part.text for part in row.segments) for row in shown] == ["100%", "done"]


def test_streams_and_levels_are_marked_in_words(attempt, operator) -> None:
    make_output(attempt, ("out", "a\n"), ("err", "b\n"), ("warning", "c\n"))
    html = operator.get(attempt.get_absolute_url()).content.decode()
    assert re.findall(r'<li id="(L\d)" class="(\w+)"', html) == [
        ("L1", "out"),
        ("L2", "err"),
        ("L3", "warning"),
    ]
    assert "<i>err</i>" in html
    assert "<i>warning</i>" in html
    assert 'href="#L3"' in html


def test_a_running_attempt_offers_what_comes_next(attempt, operator) -> None:
    make_output(attempt, ("out", "first\n"))
    html = operator.get(attempt.get_absolute_url()).content.decode()
    follow = re.search(r'data-follow="([^"]+)"', html)
    assert follow
    make_output(attempt, ("out", "second\n"))
    address = attempt.get_absolute_url() + follow[1].replace("&amp;", "&")
    html = operator.get(address).content.decode()
    assert "second" in html
    assert "first" not in html


def test_a_finished_attempt_is_marked_as_settled(attempt, operator) -> None:
    assert "data-settled" not in operator.get(attempt.get_absolute_url()).content.decode()
    done = make_attempt(attempt.job, AttemptStatus.FAILED)
    assert "data-settled" in operator.get(done.get_absolute_url()).content.decode()


def test_the_raw_output_is_a_text_attachment(attempt, operator) -> None:
    make_output(attempt, ("out", "<b>\x1b[31mred\n"))
    make_output(attempt, ("out", "end"), gap=10)
    answer = operator.get(attempt.get_absolute_url() + "output/")
    assert answer.streaming
    assert answer.getvalue() == b"<b>\x1b[31mred\n\n[10 bytes were not kept]\nend"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_an_attempt_of_another_job_is_not_found(attempt, operator) -> None:
    other = make_job()
    assert operator.get(f"/jobs/{other.pk}/attempts/{attempt.number}/").status_code == 404


@pytest.mark.parametrize("path", ["/view/logs", "/view/logs/"])
def test_the_main_log_answers_with_and_without_a_slash(path, operator) -> None:
    assert operator.get(path).status_code == 200


def entries(client, query: str = "") -> list[tuple[int, list[str]]]:
    found = client.get(f"/view/logs{query}").context["entries"]
    return [(attempt.pk, [row.text for row in rows]) for attempt, rows in found]


def test_the_main_log_shows_the_end_of_every_attempt_newest_first(operator) -> None:
    one, two = make_attempt(make_job()), make_attempt(make_job())
    make_output(one, ("out", "a\nhalf"))
    make_output(one, ("out", " whole\n"))
    make_output(two, *[("out", f"{n}\n") for n in range(100)])
    last = [str(n) for n in range(100 - alllogs.TAIL_LINES, 100)]
    assert entries(operator) == [(two.pk, last), (one.pk, ["a", "half whole"])]


def test_the_error_log_shows_failed_attempts_with_their_traceback(operator) -> None:
    make_attempt(make_job())
    failed = make_attempt(
        make_job(),
        "failed",
        error_type="ValueError",
        error_message="no such row",
        traceback="Traceback (most recent call last)",
    )
    make_output(failed, ("err", "last words\n"))
    assert entries(operator, "?tab=errors") == [(failed.pk, ["last words"])]
    html = operator.get("/view/logs?tab=errors").content.decode()
    for part in ("ValueError", "no such row", "Traceback (most recent call last)"):
        assert part in html


def test_logs_are_found_by_class_and_queue(operator) -> None:
    one = make_attempt(make_job(job_class="shop.A", queue="mail"))
    make_attempt(make_job(job_class="shop.B", queue="mail"))
    assert [pk for pk, _ in entries(operator, "?class=shop.A&queue=mail")] == [one.pk]
    assert entries(operator, "?class=shop.A&queue=slow") == []


def test_logs_are_paged_by_key(operator) -> None:
    ids = [make_attempt(make_job()).pk for _ in range(45)][::-1]
    assert [pk for pk, _ in entries(operator)] == ids[:20]
    assert [pk for pk, _ in entries(operator, f"?before={ids[19]}")] == ids[20:40]
    assert [pk for pk, _ in entries(operator, f"?after={ids[20]}")] == ids[:20]
