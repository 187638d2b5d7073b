"""A log of 50 MiB opens at once, wherever in it; its statements read a range of one index."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.lifecycle import output
from jobs.lifecycle.engines import engine_for
from jobs.models import Attempt, OutputChunk
from jobs.states import JobStatus
from jobs.worker.buffers import OutputBuffer
from tests.factories import make_attempt, make_job
from tests.plans import plan

MIB = 1024 * 1024
QUERIES = ("", "?line=300000", "?before=300000", "?from=1", "?level=error", "?q=no such text")


@pytest.fixture
def attempt(db: None) -> Attempt:
    """An attempt with 50 MiB of output in lines of about 100 bytes, stored as a worker stores it."""
    attempt = make_attempt(make_job(JobStatus.FAILED), "failed")
    buffer = OutputBuffer(attempt.pk, 1 << 30)
    block = b"".join(b"%07d %s\n" % (n, b"x" * 91) for n in range(650))
    while buffer.total < 50 * MIB:
        buffer.add("out", block)
        if len(buffer.head) >= 32:
            output.store(engine_for("default"), buffer.take(0.0))
    buffer.add("error", b"the last words\n")
    output.store(engine_for("default"), buffer.take(0.0, last=True))
    Attempt.objects.filter(pk=attempt.pk).update(output_bytes=buffer.total)
    return attempt


@pytest.mark.parametrize("query", QUERIES)
def test_a_log_of_50_mib_opens_within_a_second(query: str, attempt: Attempt, operator: Any) -> None:
    operator.get(attempt.get_absolute_url() + "?line=1")  # Templates are compiled once.
    # Of this thread: others use the machine, too, and what the database reads has a bound of its own.
    began = time.thread_time()
    answer = operator.get(attempt.get_absolute_url() + query)
    assert time.thread_time() - began < 1.0
    assert answer.status_code == 200
    assert len(answer.content) < 2 * MIB
    assert query or "the last words" in answer.content.decode()


@pytest.mark.parametrize("query", ["", "?line=40", "?before=40", "?level=error", "?after=10&row=1"])
def test_a_part_of_a_log_takes_few_queries_with_a_bound(query, operator, db) -> None:
    attempt = make_attempt(make_job(JobStatus.FAILED), "failed")
    fill(attempt)
    with CaptureQueriesContext(connection) as queries:
        assert operator.get(attempt.get_absolute_url() + query).status_code == 200
    assert len(queries) <= 12
    for one in queries:
        if "jobs_outputchunk" in one["sql"]:
            assert "LIMIT" in one["sql"]


@pytest.mark.parametrize("query", ["", "?line=40", "?before=40", "?after=10&row=1"])
def test_a_part_of_a_log_is_read_by_its_index(query, operator, db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    attempt = make_attempt(make_job(JobStatus.FAILED), "failed")
    fill(attempt)
    with CaptureQueriesContext(connection) as queries:
        operator.get(attempt.get_absolute_url() + query)
    for one in queries:
        if "jobs_outputchunk" in one["sql"]:
            found = plan(one["sql"])
            assert "SEARCH jobs_outputchunk USING INDEX" in found, (one["sql"], found)
            assert "TEMP B-TREE" not in found, (one["sql"], found)


def fill(attempt: Attempt) -> None:
    buffer = OutputBuffer(attempt.pk, 1 << 20)
    for n in range(50):
        buffer.add("out", b"line %d\n" % n)
        output.store(engine_for("default"), buffer.take(0.0))
    assert OutputChunk.objects.count() == 50


def test_the_logs_of_a_class_are_looked_for_among_the_newest_attempts(operator, db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    make_attempt(make_job(JobStatus.COMPLETED, job_class="shop.A", queue="mail"))
    for query in ("class=shop.A", "class=shop.A&queue=mail&tab=errors", "class=shop.A&q=a"):
        with CaptureQueriesContext(connection) as queries:
            operator.get(f"/view/logs?{query}")
        (sql, *_) = [one["sql"] for one in queries if "jobs_job" in one["sql"]] or [""]
        found = plan(sql or "SELECT 1")
        assert "jobs_job_class" not in found
        assert "jobs_job_queue" not in found
