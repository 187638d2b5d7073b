"""What pages ask of the database stays the same however many jobs there are."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.fingerprints import DIGITS
from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_operation,
    make_output,
    make_worker,
)
from tests.plans import plan

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


@pytest.mark.parametrize(("number", "most"), [(20, 10), (30_000, 11), (3_000_000, 12)])
@pytest.mark.parametrize("query", ["worker=alpha", "q=invoice", "argument=a:1", "tag=vip"])
def test_no_filter_takes_more_queries_than_a_page_may(query, number, most, operator) -> None:
    running = {"started_at": timezone.now(), "error_group": "a" * DIGITS, "arguments": {"a": 1}}
    job = make_job(JobStatus.RUNNING, tags=("vip",), id=number, **running)
    make_attempt(job, worker=make_worker(hostname="alpha"))
    with CaptureQueriesContext(connection) as queries:
        page = operator.get(f"/?{query}&group={'a' * DIGITS}&since=24h")
    assert "SendInvoice" in page.content.decode()
    # Of many jobs, one or two of them tell between which numbers those of a time are.
    assert len(queries) <= (12 if "tag" in query else most), [one["sql"][:90] for one in queries]


@pytest.mark.parametrize("path", LARGE)
def test_no_list_reads_a_large_column(path, operator) -> None:
    fill(1)
    for sql in statements(operator, path):
        # Of arguments that are short, a row shows a line.
        sql = re.sub(r"CASE WHEN LENGTH\(.*? END", "", sql)
        for column in LARGE[path]:
            assert not re.search(rf'"(?:jobs_job|jobs_attempt)"\."{column}"', sql)


@pytest.mark.parametrize("path", LARGE)
def test_every_query_is_bounded(path, operator) -> None:
    fill(1)
    for sql in statements(operator, path):
        if not re.search("jobs_outputchunk|jobs_rollup|jobs_tag", sql):
            assert "LIMIT" in sql
        assert "DISTINCT" not in sql
        assert "OFFSET" not in sql


def test_the_list_is_read_from_an_index_in_its_order(operator, db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    fill(3)
    for path in (
        *("/", "/?status=failed", "/?class=shop.SendInvoice", "/?queue=default"),
        *("/?parent=17", "/?tag=vip", "/?tag=vip&status=failed&parent=17"),
        *("/?q=invoice", "/?worker=alpha&error=ValueError", "/?argument=a:1&status=failed"),
    ):
        (sql,) = [
            sql for sql in statements(operator, path)
            if "ORDER BY" in sql and '"jobs_job"."created_at"' in sql
        ]  # fmt: skip
        assert "TEMP B-TREE" not in plan(sql), path
