"""The export: the jobs of the filter, safe to open in a spreadsheet, and honest about its limit."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import AuditEntry
from jobs.states import JobStatus
from jobs.web import downloads, export, paging
from tests.factories import make_audit, make_job


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
    """Return the lines of the NDJSON export after its first, which names the columns."""
    first, *others = map(json.loads, text(client, f"/export/ndjson/?{query}").splitlines())
    assert all([*one] in (first["columns"], ["end", "complete"]) for one in others)
    return others


def test_the_jobs_of_the_filter_are_exported_newest_first(operator) -> None:
    old, new = (make_job(JobStatus.FAILED, queue="mail") for _ in range(2))
    make_job(JobStatus.FAILED, queue="slow")
    rows, end = table(operator, "queue=mail&status=failed")
    assert [row["id"] for row in rows] == [str(new.pk), str(old.pk)]
    assert end == "# 2 jobs; these are all"
    found = objects(operator, "queue=mail")
    assert [one["id"] for one in found[:-1]] == [new.pk, old.pk]
    assert found[-1] == {"end": "2 jobs; these are all", "complete": True}


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_download_begins_before_the_first_match_is_found(kind, operator, monkeypatch) -> None:
    monkeypatch.setattr(export.Rows, "__iter__", lambda rows: pytest.fail("it looked for jobs"))
    answer: Any = operator.get(f"/export/{kind}/?q=nothing")
    assert b"job_class" in next(iter(answer.streaming_content))


@pytest.mark.parametrize("query", ["", "q=invoice"])
def test_an_export_reads_in_parts_and_misses_nothing(query, operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 3)
    monkeypatch.setattr(paging, "SPAN", 4)
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


def test_after_large_jobs_fewer_are_read_at_once(operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "SIZE_AT_ONCE", 20_000)
    for _ in range(60):
        make_job(arguments={"text": "x" * 4_000})
    with CaptureQueriesContext(connection) as queries:
        assert len(objects(operator)) == 61
    asked = [
        one["sql"] for one in queries if re.search(r"SELECT .*[\"`]arguments[\"`]", one["sql"])
    ]
    limits = [int(found[1]) for sql in asked if (found := re.search(r"LIMIT (\d+)", sql))]
    assert limits[0] == export.AT_FIRST
    assert set(limits[1:]) == {4}


def test_of_many_exports_only_some_are_sent_at_a_time(operator) -> None:
    make_job()
    running = [operator.get("/export/csv/") for _ in range(downloads.AT_A_TIME)]
    refused = operator.get("/export/ndjson/")
    assert refused.status_code == 429
    assert refused["Retry-After"]
    assert "Try again when one has ended" in refused.content.decode()
    assert operator.get("/audit/export/csv/").status_code == 429
    assert operator.get("/").status_code == 200
    assert b"".join(running[0].streaming_content)
    assert operator.get("/export/ndjson/").status_code == 200


@pytest.mark.parametrize("end", ["closed", "forgotten"])
def test_an_export_that_nobody_reads_makes_way_for_others(end, operator) -> None:
    for _ in range(2 * downloads.AT_A_TIME):
        answer: Any = operator.get("/export/csv/")
        assert answer.status_code == 200
        if end == "closed":
            # Of one that nothing was read of, the test client would close nothing.
            next(iter(answer.streaming_content))
            answer._iterator.close()
        del answer
        gc.collect()


def test_a_search_that_ends_before_the_oldest_job_says_so(operator, monkeypatch) -> None:
    monkeypatch.setattr(export, "SEARCHES", 1)
    monkeypatch.setattr(paging, "SPAN", 5)
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
    make_job(arguments={"customer": 2**63 - 1, "api_key": "hush, hush"}, error_message="MESSAGE")
    everything = text(operator, "/export/ndjson/")
    assert "hush, hush" not in everything
    assert json.loads(everything.splitlines()[1])["arguments"]["customer"] == 2**63 - 1
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
    assert 'href="/export/csv/?queue=mail"' in page
    assert "100,000 jobs at most" in page


# -- the audit -------------------------------------------------------------------------------------


def entries(client: Client, query: str = "") -> list[dict[str, Any]]:
    lines = text(client, f"/audit/export/ndjson/?{query}").splitlines()
    return [json.loads(line) for line in lines[1:]]


def test_the_entries_of_the_filter_are_exported_newest_first(operator) -> None:
    job = make_job(JobStatus.FAILED)
    first, second = make_audit(job, actor_name="ana"), make_audit(job, actor_name="=ana()")
    make_audit(make_job(), actor_name="bo")
    found = entries(operator, "by=ana")
    assert [one["id"] for one in found[:-1]] == [second.pk, first.pk]
    assert found[0]["job_class"] == "shop.SendInvoice"
    assert found[-1] == {"end": "2 entries; these are all", "complete": True}
    lines = text(operator, f"/audit/export/csv/?job={job.pk}").splitlines()
    assert "'=ana()" in lines[1]
    assert lines[-1] == "# 2 entries; these are all"


@pytest.mark.parametrize("query", ["", "by=a"])
def test_an_export_of_the_audit_reads_in_parts_and_states_its_limit(
    query, operator, monkeypatch
) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 3)
    monkeypatch.setattr(export, "AT_FIRST", 2)
    monkeypatch.setattr(paging, "SPAN", 4)
    keys = [make_audit(make_job(), actor_name="ana").pk for _ in range(14)]
    assert [one["id"] for one in entries(operator, query)[:-1]] == keys[::-1]
    monkeypatch.setattr(export, "LIMIT", 5)
    assert "5 entries; older ones were left out" in entries(operator, query)[-1]["end"]


def test_an_export_of_the_audit_may_be_of_what_has_no_job(operator) -> None:
    values = {"actor_name": "ana", "at": timezone.now()}
    AuditEntry.objects.create(action="pause", subject="mail", **values)
    (entry, _) = entries(operator)
    assert (entry["subject"], entry["job_class"]) == ("mail", None)
    assert operator.get("/audit/export/xml/").status_code == 404
