"""The statements of an idle and a busy worker read what is due, however much is finished."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from jobs.lifecycle import dispatching
from jobs.lifecycle.engines import Engine, postgresql, sqlite
from jobs.models import Job, Worker
from jobs.states import JobStatus

from .acting import QUEUES, spec

pytestmark = pytest.mark.django_db


def plan(engine: Engine, sql: str, params: list[Any]) -> str:
    explain = "EXPLAIN ANALYZE " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    return "\n".join(str(row[-1]) for row in engine.rows(explain + sql, params))


@pytest.fixture
def backlog(engine: Engine) -> None:
    """Store many finished jobs, fewer that are due, and some for later, and count them."""
    dispatching.dispatch([spec(priority=n % 5) for n in range(6000)])
    first = Job.objects.order_by("id").values_list("id", flat=True)[0]
    done = Job.objects.filter(id__gte=first + 1000)
    done.update(status=JobStatus.COMPLETED, finished_at=engine.now())
    dispatching.dispatch([spec(delay=60 + n) for n in range(1000)])
    engine.rows("ANALYZE jobs_job" if connection.vendor == "sqlite" else "SELECT 1", [])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_job")


@pytest.fixture(params=["analyzed", "unknown"])
def statistics(request: pytest.FixtureRequest, backlog: None) -> None:
    """Once with what ANALYZE found; on SQLite once without, as it stands where nobody ran it."""
    if connection.vendor == "mysql":
        pytest.skip("test_mysql.py counts the rows that MySQL reads")
    if request.param == "unknown":
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL counts by itself")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM sqlite_stat1")
            cursor.execute("ANALYZE sqlite_master")


def test_a_claim_on_postgresql_reads_the_index_of_due_jobs(
    only_postgresql: None, statistics: None, engine: Engine, worker: Worker
) -> None:
    params = [worker.pk, ["default", "mail"], 5, 5, [], 5, worker.pk]
    found = plan(engine, postgresql.CLAIM_BATCH, params)
    assert "Index Scan using jobs_job_claim on jobs_job" in found
    assert "Seq Scan on jobs_job " not in found


def test_a_claim_on_sqlite_reads_the_index_of_due_jobs(
    only_sqlite: None, statistics: None, engine: Engine, worker: Worker
) -> None:
    nearest = " UNION ALL ".join([sqlite.NEAREST] * 2)
    sql = sqlite.CLAIM_BATCH.format(nearest=nearest, quick="%s")
    found = plan(engine, sql, ["default", 5, "mail", 5, 5, "", 5, worker.pk.hex])
    assert found.count("SEARCH jobs_job USING INDEX jobs_job_claim (queue=?)") == 2
    assert "SCAN jobs_job" not in found


def module(engine: Engine) -> Any:
    return postgresql if engine.connection.vendor == "postgresql" else sqlite


def test_the_next_due_time_is_read_from_the_index_of_waiting_jobs(
    statistics: None, engine: Engine
) -> None:
    found = plan(engine, module(engine).NEXT_DUE, [])
    assert "jobs_job_due" in found
    assert "Seq Scan" not in found


def test_promotion_reads_the_index_of_waiting_jobs(statistics: None, engine: Engine) -> None:
    limit: list[Any] = [10]
    params = limit if engine.connection.vendor == "postgresql" else [str(engine.now()), *limit]
    found = plan(engine, module(engine).PROMOTE_BATCH, params)
    assert "jobs_job_due" in found
    assert "Sort" not in found
    assert "ORDER BY" not in found


def test_due_queues_are_found_by_jumps_through_the_index_of_due_jobs(
    statistics: None, engine: Engine
) -> None:
    found = plan(engine, module(engine).DUE_QUEUES, [])
    assert found.count("jobs_job_claim") == 2
    assert "Seq Scan on jobs_job" not in found


def test_a_claim_takes_the_best_of_a_backlog(backlog: None, engine: Engine, worker: Worker) -> None:
    claims = engine.claim(worker.pk, QUEUES, 10, 0, ())
    assert {one.priority for one in claims} == {4}
