"""What pages ask of the database stays the same however many jobs there are."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_operation,
    make_output,
    make_worker,
)

LARGE = {
    "/": ["arguments", "result"],
    "/?q=invoice&error=ValueError&worker=alpha": ["arguments", "result"],
    "/counts/?queue=default": ["arguments", "result"],
    "/audit/?by=ana": ["arguments", "result"],
    "/jobs/retry/?all=1&filter=%3Fstatus%3Dfailed": ["arguments", "result"],
    "/?status=failed&class=shop.SendInvoice": ["arguments", "result"],
    "/view/logs": ["arguments", "result", "receipt"],
}


def fill(count: int) -> None:
    worker = make_worker()
    for _ in range(count):
        attempt = make_attempt(make_job(JobStatus.FAILED), "failed", worker=worker)
        make_output(attempt, ("out", "a\n"))
        make_audit(attempt.job)
        make_operation()


def statements(client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in queries if "jobs_" in query["sql"].lower()]


@pytest.mark.parametrize("path", [*LARGE, "/view/logs?tab=errors", "/operations/", "/jobs/%d/"])
def test_a_page_takes_the_same_few_queries_for_more_rows(path, operator) -> None:
    fill(2)
    path = path % make_job().pk if "%d" in path else path
    few = statements(operator, path)
    fill(30)
    many = statements(operator, path)
    assert len(many) == len(few) <= 11


@pytest.mark.parametrize("path", LARGE)
def test_no_list_reads_a_large_column(path, operator) -> None:
    fill(1)
    for sql in statements(operator, path):
        for column in LARGE[path]:
            assert not re.search(rf'"(?:jobs_job|jobs_attempt)"\."{column}"', sql)


@pytest.mark.parametrize("path", LARGE)
def test_every_query_is_bounded(path, operator) -> None:
    fill(1)
    for sql in statements(operator, path):
        if "jobs_outputchunk" not in sql and "jobs_rollup" not in sql:
            assert "LIMIT" in sql
        assert "DISTINCT" not in sql
        assert "OFFSET" not in sql


def test_the_list_is_read_from_an_index_in_its_order(operator, db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    fill(3)
    for path in (
        *("/", "/?status=failed", "/?class=shop.SendInvoice", "/?queue=default"),
        *("/?q=invoice", "/?worker=alpha&error=ValueError", "/?argument=a:1&status=failed"),
    ):
        (sql,) = [
            sql for sql in statements(operator, path)
            if "ORDER BY" in sql and '"jobs_job"."created_at"' in sql
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
        assert "TEMP B-TREE" not in plan, path
