"""Lines are found across all attempts, within a bound that the page states."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.web import alllogs
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


def test_a_search_states_its_bound_and_goes_on_behind_it(operator, monkeypatch) -> None:
    monkeypatch.setattr(alllogs, "PIECES_SEARCHED", 10)
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
    monkeypatch.setattr(alllogs, "PIECES_FOUND", 4)
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
