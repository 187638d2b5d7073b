"""A search by tag reads one range of the index of tags, whatever else is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.fixture import fill
from jobs.lifecycle import operations
from jobs.lifecycle.engines import engine_for
from jobs.models import Job, Tag
from jobs.selection import Selection
from jobs.web import paging
from tests.factories import make_operation
from tests.plans import NOTHING, plan

PATHS = [
    "/?tag={tag}",
    "/?tag={tag}&before=900",
    "/?tag={tag}&status=failed",
    "/?tag={tag}&status=failed&after=100",
    "/?tag={tag}&class=shop.SendInvoice&queue=mail",
    "/counts/?tag={tag}",
    "/counts/?tag={tag}&class=shop.SendInvoice",
    "/export/ndjson/?tag={tag}&status=failed",
    "/jobs/retry/?all=1&filter=%3Ftag%3D{tag}%26queue%3Dmail",
]
OLD = "old"
"""A tag that many jobs had, but no new one."""
TAGS = ("nightly", "customer:5", OLD)
OTHER_INDEXES = ("jobs_tag_of_job", "jobs_job_status", "jobs_job_class", "jobs_job_queue")
ANALYZE = {
    ("sqlite", "analyzed"): ["ANALYZE jobs_tag"],
    ("sqlite", "unknown"): ["DELETE FROM sqlite_stat1", "ANALYZE sqlite_master"],
    # So few rows it would rather read at once: let it find each of them dear.
    ("postgresql", "analyzed"): ["ANALYZE jobs_tag", "SET LOCAL cpu_tuple_cost = 10"],
    ("mysql", "analyzed"): [],
}


@pytest.fixture(params=["analyzed", "unknown"])
def history(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some thousand finished jobs: with the planner's statistics, and on SQLite once without."""
    if request.param == "unknown" and connection.vendor != "sqlite":
        pytest.skip("the others count by themselves")
    fill(3000)
    oldest = Job.objects.order_by("pk").values_list("pk", flat=True)[:300]
    Tag.objects.bulk_create(Tag(job_id=pk, job_number=pk, name=OLD) for pk in oldest)
    monkeypatch.setattr(paging, "ROWS", 20)
    monkeypatch.setattr(operations, "SPAN", 100)
    with connection.cursor() as cursor:
        for statement in ANALYZE[connection.vendor, request.param]:
            cursor.execute(statement)


def plans(act: Callable[[], object]) -> list[str]:
    """Return the plan of each query that looks for jobs by a tag while `act` is done."""
    with CaptureQueriesContext(connection) as queries:
        act()
    quoted = ".".join(connection.ops.quote_name(name) for name in ("jobs_tag", "name"))
    return [plan(one["sql"]) for one in queries if f"{quoted} = " in one["sql"]]


def fetch(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    b"".join(getattr(answer, "streaming_content", ()))


def is_one_range(found: str) -> bool:
    return found == NOTHING or (
        "jobs_tag_name" in found and not any(name in found for name in OTHER_INDEXES)
    )


@pytest.mark.usefixtures("history")
def test_pages_read_the_jobs_of_a_tag_from_the_index_of_tags(operator: Client) -> None:
    for path in [pattern.format(tag=tag) for pattern in PATHS for tag in TAGS]:
        found = plans(partial(fetch, operator, path))
        assert found, path
        assert [one for one in found if not is_one_range(one)] == [], path


@pytest.mark.usefixtures("history")
def test_an_operation_reads_the_jobs_of_a_tag_from_the_index_of_tags() -> None:
    for tag in TAGS:
        operation = make_operation(selection=Selection(tag=tag, queue="mail").as_json())
        found = plans(partial(operations.advance, engine_for()))
        assert len(found) >= 2
        # Those after the second look at jobs by their ids.
        assert [one for one in found[:2] if not is_one_range(one)] == [], tag
        operation.delete()
