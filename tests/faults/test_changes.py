"""Faults 25 and 26: tables change, and history is deleted, under running workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations import AddField, AddIndex
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.test.utils import CaptureQueriesContext

from bench.fixture import fill
from jobs.models import Job
from jobs.states import JobStatus
from jobs.worker.processes import boottime

from ..waiting import wait_until
from .conftest import Figure
from .invariants import kept
from .scale import at_most, nightly, pass_time, scaled
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")

NEXT_VERSION: list[Operation] = [
    AddField("job", "note", models.CharField(max_length=100, null=True)),
    AddField("attempt", "note", models.CharField(max_length=100, null=True)),
    AddIndex("job", models.Index(fields=["note"], name="jobs_note")),
]
"""What a later version may do to the tables of the one before while that still works on them."""
LOCKED = {"sqlite": 10.0, "postgresql": 1.0, "mysql": 1.0}
"""Seconds one migration may keep workers waiting. SQLite copies a table that gets a column which is never
NULL; a lock of ten seconds does its workers no harm, see fault 19."""
LONGEST_STEP = 3.0
"""Seconds one step may take under running workers, waiting for their locks included."""
DAYS = 0.003
"""How long finished jobs are kept: shorter than the ten minutes by which the fixture's are older."""
LONGEST_DELAY = 5.0
"""Seconds a job may wait for its start while others are deleted."""


@contextmanager
def migrated_further() -> Iterator[list[float]]:
    """Apply the next version's operations; give the seconds of each, and undo them in the end."""
    state = MigrationLoader(connection).project_state()
    took, undo = [], []
    for operation in NEXT_VERSION:
        after = state.clone()
        operation.state_forwards("jobs", after)
        began = time.monotonic()
        with connection.schema_editor() as editor:
            operation.database_forwards("jobs", editor, state, after)
        took.append(time.monotonic() - began)
        undo.append((operation, state, after))
        state = after
    try:
        yield took
    finally:
        for operation, before, after in reversed(undo):
            with connection.schema_editor() as editor:
                operation.database_backwards("jobs", editor, after, before)


@pytest.mark.timeout(300)
def test_25_the_next_versions_tables_fail_no_job_of_a_running_worker(
    scene: Scene, figure: Figure
) -> None:
    count = scaled(500, 100)
    for _ in range(2):
        scene.ready(4)
    jobs = scene.dispatch(count, seconds=0.1)
    scene.started(jobs[:1])
    with migrated_further() as took:
        assert max(took) <= at_most(LONGEST_STEP)
        scene.over()
        done = scene.finish(*jobs, deadline=120)
        for one in scene.workers:
            one.stop()
    assert {(job.status, job.attempts_made) for job in done} == {(JobStatus.COMPLETED, 1)}
    figure(f"{count} jobs in flight: failed 0, reruns 0; longest step {max(took):.2f} s")


@nightly
@pytest.mark.timeout(3600)
def test_25_each_migration_is_short_with_many_rows(bare_scene: Scene, figure: Figure) -> None:
    count = scaled(1_000_000, 10_000)
    names = sorted(
        name for app, name in MigrationLoader(connection).disk_migrations if app == "jobs"
    )
    fill(count, days=30)
    took = {}
    try:
        call_command("migrate", "jobs", names[1], verbosity=0)
        for name in names[2:]:
            with CaptureQueriesContext(connection) as statements:
                call_command("migrate", "jobs", name, verbosity=0)
            took[name[:4]] = longest_transaction(statements.captured_queries)
    finally:
        call_command("migrate", verbosity=0)
    with kept(bare_scene):
        bare_scene.ready()  # On tables that have come to be step by step.
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items())
    figure(f"longest transaction with {count:,} jobs: {told}")
    assert max(took.values()) < LOCKED[connection.vendor], told


def longest_transaction(statements: list[dict[str, str]]) -> float:
    """Return the seconds that the statements of the longest transaction took: so long is a lock held."""
    longest = taken = 0.0
    for one in statements:
        taken += float(one["time"])
        longest = max(longest, taken)
        if one["sql"] in ("BEGIN", "COMMIT", "ROLLBACK"):
            taken = 0.0
    return longest


@pytest.mark.timeout(3600)
def test_26_deleting_history_keeps_no_job_waiting(scene: Scene, figure: Figure) -> None:
    count, portion = scaled(1_000_000, 2000), scaled(50_000, 2000)
    fill(count, days=1)
    last = Job.objects.earliest("id").pk + portion - 1
    portion_left = Job.objects.filter(pk__lte=last, status=JobStatus.COMPLETED)
    written, began = log_position(), time.monotonic()
    scene.ready(2, KEEP_COMPLETED=DAYS, KEEP_FAILED=DAYS)
    sent: dict[int, float] = {}

    def one_more_after_the_last_of_them() -> bool:
        at = boottime()
        (job,) = scene.dispatch(1)
        sent[job.pk] = at
        pass_time(0.1)
        return not portion_left.exists()

    wait_until(one_more_after_the_last_of_them, 60.0 + portion / 50, scene.story)
    took = time.monotonic() - began
    written = log_position() - written
    scene.finish()
    delays = [one.at - sent[one.job] for one in scene.effects("start")]
    assert len(delays) == len(sent)
    assert max(delays) < LONGEST_DELAY
    log = f", {written / portion:,.0f} bytes of log a job" if written else ""
    figure(
        f"{portion:,} of {count:,} jobs deleted in {took:.0f} s{log}; {len(sent)} started meanwhile after "
        f"p50 {median(delays) * 1000:.0f} ms, longest {max(delays) * 1000:.0f} ms"
    )


def log_position() -> int:
    """Return how many bytes PostgreSQL has written to its log; 0 where that cannot be asked."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])
