"""The export: the jobs of the filter, safe to open in a spreadsheet, and honest about its limit."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from jobs.states import JobStatus
from jobs.web import export
from tests.factories import make_job


def text(client: Client, path: str) -> str:
    answer: Any = client.get(path)
    assert answer.status_code == 200
    assert answer.streaming
    return b"".join(answer.streaming_content).decode()


def table(client: Client, query: str = "") -> tuple[list[dict[str, str]], str]:
    """Return the rows of the CSV export, and its last line."""
    lines = list(csv.reader(io.StringIO(text(client, f"/export/csv/?{query}"))))
    return [dict(zip(lines[0], row, strict=True)) for row in lines[1:-1]], lines[-1][0]


def objects(client: Client, query: str = "") -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(client, f"/export/ndjson/?{query}").splitlines()]


def test_the_jobs_of_the_filter_are_exported_newest_first(operator) -> None:
    old, new = (make_job(JobStatus.FAILED, queue="mail") for _ in range(2))
    make_job(JobStatus.FAILED, queue="slow")
    rows, end = table(operator, "queue=mail&status=failed")
    assert [row["id"] for row in rows] == [str(new.pk), str(old.pk)]
    assert end == "# 2 jobs; these are all"
    found = objects(operator, "queue=mail")
    assert [one["id"] for one in found[:-1]] == [new.pk, old.pk]
    assert found[-1] == {"end": "2 jobs; these are all", "complete": True}


@pytest.mark.parametrize("query", ["", "q=invoice"])
def test_an_export_reads_in_parts_and_misses_nothing(query, operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 3)
    monkeypatch.setattr(export, "SPAN", 4)
    ids = [make_job().pk for _ in range(14)]
    assert [one["id"] for one in objects(operator, query)[:-1]] == ids[::-1]


def test_the_limit_is_said_at_the_end(operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "LIMIT", 2)
    for _ in range(3):
        make_job()
    rows, end = table(operator)
    assert len(rows) == 2
    assert end.startswith("# 2 jobs; older ones were left out")
    assert objects(operator)[-1]["complete"] is False


def test_a_search_that_ends_before_the_oldest_job_says_so(operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "LOOKED_THROUGH", 5)
    for _ in range(9):
        make_job()
    assert objects(operator, "q=invoice")[-1]["complete"] is False


@pytest.mark.parametrize(
    "evil", ['=HYPERLINK("http://evil.example")', "+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "＝1"]
)
def test_no_cell_is_a_formula(evil, operator) -> None:
    make_job(JobStatus.FAILED, job_class=evil, error_type=evil, error_message=evil, priority=-5)
    (row,), _ = table(operator)
    for column in ("job_class", "error_type", "error_message"):
        assert row[column] == f"'{evil}"
    assert row["priority"] == "-5"
    assert objects(operator)[0]["job_class"] == evil


def test_arguments_are_redacted_and_need_their_permission(operator, visitor) -> None:
    make_job(arguments={"customer": 2**63 - 1, "api_key": "hush"}, error_message="MESSAGE")
    everything = text(operator, "/export/ndjson/")
    assert "hush" not in everything
    assert json.loads(everything.splitlines()[0])["arguments"]["customer"] == 2**63 - 1
    little = text(visitor("view_job"), "/export/ndjson/")
    assert "customer" not in little
    assert "MESSAGE" not in little


def test_a_filter_that_means_nothing_exports_nothing(operator, visitor) -> None:
    assert operator.get("/export/csv/?since=tomorrow").status_code == 400
    assert visitor("view_job").get("/export/csv/?argument=a:1").status_code == 400


def test_another_format_is_not_found(operator) -> None:
    assert operator.get("/export/xlsx/").status_code == 404


def test_the_list_links_to_the_export_of_its_filter(operator) -> None:
    make_job()
    page = operator.get("/?queue=mail&before=9").content.decode()
    assert 'href="/export/csv/?queue=mail" download' in page
    assert "100,000 jobs at most" in page
