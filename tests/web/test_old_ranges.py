"""What all happened long ago is found as fast as what is new, however much is newer."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.fixture import fill
from jobs.lifecycle import operations
from jobs.lifecycle.engines import engine_for
from jobs.models import Job
from jobs.selection import Selection
from jobs.states import JobStatus
from tests.factories import make_operation
from tests.plans import plan, prefer_indexes

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="about how PostgreSQL chooses between indexes"
)

JOBS, OLD = 8_000, 600
"""All jobs, and the oldest of them, which have something that no other one has."""
FILTERS = {
    "class=old.Class": "jobs_job_class",
    "queue=old": "jobs_job_queue",
    "status=cancelled": "jobs_job_status",
    "parent={parent}": "jobs_job_parent",
    "status=cancelled&group=old": "jobs_job_error_group",
}
"""What is asked for → the index that holds exactly these jobs."""
DEAR = ("seqscan", "bitmapscan", "sort", "incremental_sort")
"""What PostgreSQL does with tables as small as this one, and not with large ones."""

ORDERED = re.compile(r'FROM "jobs_job" WHERE .* ORDER BY .* LIMIT')


@pytest.fixture
def parent(db: None) -> int:
    """The job that dispatched the old ones, in a database that knows how many there are of each."""
    fill(JOBS)
    Job.objects.filter(status=JobStatus.CANCELLED).update(status=JobStatus.COMPLETED)
    last = Job.objects.order_by("pk").values_list("pk", flat=True)[OLD]
    old = {"job_class": "old.Class", "queue": "old", "error_group": "old", "parent_id": last}
    Job.objects.filter(pk__lt=last).update(status=JobStatus.CANCELLED, **old)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")
        # As one of a large table is, of which other pages are in memory.
        cursor.execute("SET LOCAL random_page_cost = 40")
    prefer_indexes(*DEAR)
    return last


def plans(act: Callable[[], object]) -> list[str]:
    """Return the plan of each query that takes jobs in order while `act` is done."""
    with CaptureQueriesContext(connection) as queries:
        act()
    return [plan(one["sql"]) for one in queries if ORDERED.search(one["sql"])]


@pytest.mark.parametrize("chosen", FILTERS)
@pytest.mark.parametrize("page", ["/?", "/?before=500&", "/?after=1&", "/export/ndjson/?"])
def test_a_page_of_old_jobs_is_read_from_their_index(
    parent: int, operator: Client, page: str, chosen: str
) -> None:
    path = page + chosen.format(parent=parent)
    found = plans(lambda: b"".join(getattr(operator.get(path), "streaming_content", ())))
    assert any(FILTERS[chosen] in one for one in found), found


@pytest.mark.parametrize("chosen", ["class=old.Class", "queue=old", "parent={parent}"])
def test_old_jobs_are_counted_from_their_index(parent: int, operator: Client, chosen: str) -> None:
    found = plans(lambda: operator.get(f"/counts/?{chosen.format(parent=parent)}"))
    assert FILTERS[chosen] in found[0], found[0]


def test_an_operation_on_old_jobs_reads_their_index(parent: int) -> None:
    make_operation(selection=Selection(status=JobStatus.CANCELLED).as_json())
    found = plans(lambda: operations.advance(engine_for()))
    assert any("jobs_job_status" in one for one in found), found
