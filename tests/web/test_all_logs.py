"""Lines are found across all attempts, within a bound that the page states."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.web import log_search
from tests.factories import make_attempt, make_job, make_output, make_worker


def found(client: Any, query: str) -> list[tuple[int, list[str]]]:
    entries = client.get(f"/view/logs?{query}").context["entries"]
    return [(attempt.pk, [row.text for row in rows]) for attempt, rows in entries]


@pytest.fixture
def two(db: None) -> list[Any]:
    """Two attempts: one of the mail queue on alpha, that failed, and one of another on beta."""
    one = make_attempt(
        make_job(queue="mail", job_class="shop.A"), "failed", worker=make_worker(hostname="alpha")
    )
    make_output(one, ("out", "begin\n"), ("error", "no such row 100%\n"))
    later = timezone.now() - timedelta(hours=3)
    other = make_attempt(make_job(), worker=make_worker(hostname="beta"), claimed_at=later)
    make_output(other, ("out", 'said "no such" thing\nend\n'), ("warning", "careful\n"))
    return [one, other]


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("q=no such", ["no such row 100%", 'said "no such" thing']),
        ("q=NO SUCH", ["no such row 100%", 'said "no such" thing']),
        ("q=no such&class=shop.A", ["no such row 100%"]),
        ("q=no such&queue=mail", ["no such row 100%"]),
        ("q=no such&worker=beta", ['said "no such" thing']),
        ("q=no such&since=1h", ["no such row 100%"]),
        ("q=no such&tab=errors", ["no such row 100%"]),
        ('q="no', ['said "no such" thing']),
        ("q=100%25", ["no such row 100%"]),
        ("q=1__", []),
        ("q=</script>", []),
        ("level=error", ["no such row 100%"]),
        ("level=warning", ["no such row 100%", "careful"]),
        ("level=warning&q=careful", ["careful"]),
    ],
)
def test_lines_are_found_in_all_attempts(operator, two, query, lines) -> None:
    assert sorted(text for _, texts in found(operator, query) for text in texts) == sorted(lines)


@pytest.mark.parametrize(
    ("query", "place"), [("worker=alpha", 0), ("since=1h", 0), ("worker=beta", 1)]
)
def test_attempts_are_found_by_host_and_time(operator, two, query, place) -> None:
    assert [pk for pk, _ in found(operator, query)] == [two[place].pk]


def test_a_line_leads_to_its_place(operator, two) -> None:
    html = operator.get("/view/logs?level=error").content.decode()
    assert f'href="{two[0].get_absolute_url()}?line=2#L2"' in html


@pytest.mark.parametrize(("count", "told"), [(21, "1 more matching line"), (1300, "1,280 more")])
def test_lines_that_are_not_shown_are_counted_and_lead_to_their_log(
    operator, monkeypatch, count, told
) -> None:
    monkeypatch.setattr(log_search, "AT_FIRST", 2)
    attempt = make_attempt(make_job())
    for n in range(0, count, 50):
        lines = (("error", f"needle {line} & so\nhay\n") for line in range(n, min(n + 50, count)))
        make_output(attempt, *lines)
    answer = operator.get("/view/logs?q=needle&level=error")
    ((_, shown),) = answer.context["entries"]
    assert [row.text for row in shown] == [f"needle {n} & so" for n in range(count - 20, count)]
    html = answer.content.decode()
    assert told in html
    (place,) = re.findall(r'class="more">[^<]+<a href="([^"]+)">', html)
    behind = operator.get(unescape(place)).context["log"]
    assert [row.number for row in behind.rows] == [
        2 * n + 1 for n in range(max(count - 1020, 0), count - 20)
    ]
    assert (behind.picked.level, behind.picked.text) == ("error", "needle")


@pytest.mark.parametrize("count", [1, 20])
def test_nothing_more_is_told_of_where_every_match_is_shown(operator, count) -> None:
    make_output(make_attempt(make_job()), *[("out", "needle\n")] * count, ("out", "hay\n" * 50))
    answer = operator.get("/view/logs?q=needle")
    assert len(answer.context["entries"][0][1]) == count
    assert "more matching" not in answer.content.decode()


def test_lines_behind_the_end_of_a_page_are_told_of_by_the_next_one(operator, monkeypatch) -> None:
    monkeypatch.setattr(log_search, "PIECES_FOUND", 1)
    attempt = make_attempt(make_job())
    for _ in range(2):
        make_output(attempt, *[("out", "needle\n")] * 25)
    first = operator.get("/view/logs?q=needle")
    second = operator.get("/view/logs" + first.context["older_url"])
    for answer, before in ((first, 31), (second, 6)):
        assert answer.context["rests"] == {
            attempt.pk: (5, f"{attempt.get_absolute_url()}?q=needle&before={before}")
        }


def test_a_search_states_its_bound_and_goes_on_behind_it(operator, monkeypatch) -> None:
    monkeypatch.setattr(log_search, "PIECES_SEARCHED", 10)
    first = make_attempt(make_job())
    make_output(first, ("out", "needle\n"))
    for _ in range(15):
        make_output(make_attempt(make_job()), ("out", "hay\n"))
    answer = operator.get("/view/logs?q=needle")
    assert answer.context["entries"] == []
    html = answer.content.decode()
    assert "Looked through the 10 latest pieces of output here" in html
    assert "No match so far" in html
    behind = operator.get("/view/logs" + answer.context["older_url"])
    assert [attempt.pk for attempt, _ in behind.context["entries"]] == [first.pk]
    assert behind.context["older_url"] is None


def test_a_page_of_matches_ends_where_the_next_begins(operator, monkeypatch) -> None:
    monkeypatch.setattr(log_search, "PIECES_FOUND", 4)
    attempts = [make_attempt(make_job()) for _ in range(10)]
    for attempt in attempts:
        make_output(attempt, ("out", "needle\n"))
    seen: list[int] = []
    url = "?q=needle"
    while url:
        answer = operator.get("/view/logs" + url)
        seen += [attempt.pk for attempt, _ in answer.context["entries"]]
        url = answer.context["older_url"]
    assert seen == [attempt.pk for attempt in reversed(attempts)]


def test_lines_are_found_behind_the_pieces_that_are_read_first(operator, monkeypatch) -> None:
    monkeypatch.setattr(log_search, "AT_FIRST", 3)
    attempt = make_attempt(make_job())
    for text in ("needle 1\n", "hay\n", "a nee", "dle 3\n", "hay\n", "hay\n", "hay\n", "needle 7"):
        make_output(attempt, ("out", text))
    assert found(operator, "q=needle") == [(attempt.pk, ["needle 1", "a needle 3", "needle 7"])]


@pytest.mark.parametrize("query", ["", "q=a", "level=error", "q=a&worker=alpha&tab=errors"])
def test_the_page_takes_the_same_few_bounded_queries(operator, query) -> None:
    counts = []
    for _ in range(2):
        for _ in range(15):
            make_output(make_attempt(make_job(), "failed", worker=make_worker()), ("error", "a\n"))
        with CaptureQueriesContext(connection) as queries:
            assert operator.get(f"/view/logs?{query}").status_code == 200
        statements = [one["sql"] for one in queries if "jobs_" in one["sql"]]
        counts.append(len(queries))
        assert all("LIMIT" in sql or "ROW_NUMBER" in sql for sql in statements), statements
    assert counts[0] == counts[1] <= 12


def test_no_search_reads_a_large_column(operator, two) -> None:
    with CaptureQueriesContext(connection) as queries:
        operator.get("/view/logs?q=no")
    for one in queries:
        for column in ("traceback", "arguments", "result", "receipt", "samples"):
            assert f'"{column}"' not in one["sql"]
            assert f"`{column}`" not in one["sql"]
