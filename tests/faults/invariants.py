"""What holds after every fault, whatever it was."""

from __future__ import annotations

from itertools import pairwise

from django.db import connection

from jobs.models import Attempt, Job
from jobs.states import FINAL, AttemptStatus, JobStatus

from ..waiting import wait_until
from ..worker.conftest import WorkerProcess
from .scene import Baseline, Scene, patiently, taken

ORPHANS_GONE, CANARY_DONE, SETTLED = 2.0, 5.0, 15.0
"""Seconds."""
MIB = 1024 * 1024
LAST_OF = {
    JobStatus.COMPLETED: {AttemptStatus.COMPLETED},
    JobStatus.FAILED: {AttemptStatus.FAILED},
    JobStatus.CANCELLED: {AttemptStatus.CANCELLED, AttemptStatus.RELEASED, AttemptStatus.FAILED},
}
"""Status of a job → what its last attempt may have ended as."""


def check(scene: Scene) -> None:
    """Check every invariant of the catalogue, I1 to I7. Starts a worker if none lives."""
    if not scene.live():
        scene.ready()
    nothing_is_lost(scene)
    one_outcome_per_attempt()
    nothing_overlaps(scene)
    wait_until(lambda: not scene.orphans(), ORPHANS_GONE, lambda: f"orphans: {scene.orphans()}")
    a_canary_lives(scene)
    no_transaction_is_left_open()
    workers_take_what_they_took(scene)


def nothing_is_lost(scene: Scene) -> None:
    scene.finish()
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING)
    assert not running.exists(), f"running without a running job: {list(running[:10])}"


def one_outcome_per_attempt() -> None:
    """Attempts are numbered without a gap, each ends once, and the last one says how its job ended."""
    of_jobs: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.order_by("job_id", "number").select_related("job"):
        of_jobs.setdefault(attempt.job_id, []).append(attempt)
    for attempts in of_jobs.values():
        job = attempts[0].job
        assert [one.number for one in attempts] == list(range(1, job.attempts_made + 1)), job
        won = [one for one in attempts if one.status == AttemptStatus.COMPLETED]
        assert len(won) <= 1, f"{job} completed {len(won)} times"
        for one in attempts:
            assert one.finished_at is not None
            assert one.started_at is None or one.started_at <= one.finished_at, one
        if job.status in FINAL:
            assert attempts[-1].status in LAST_OF[JobStatus(job.status)], (job, attempts[-1])
    assert not Job.objects.filter(status=JobStatus.COMPLETED, attempts_made=0).exists()


def nothing_overlaps(scene: Scene) -> None:
    """No attempt began while another one's process was there, and none began twice."""
    assert not scene.effects("overlap")
    starts = sorted((one.job, one.attempt) for one in scene.effects("start"))
    twice = [one for one, other in pairwise(starts) if one == other]
    assert not twice, f"attempts that began twice: {twice}"


def a_canary_lives(scene: Scene) -> None:
    scene.finish(scene.works().dispatch(priority=100), deadline=CANARY_DONE)


def no_transaction_is_left_open() -> None:
    wait_until(lambda: patiently(lambda: open_transactions() == 0), 5.0, "transactions are open")


def open_transactions() -> int:
    """Return how many sessions of others sit in a transaction for more than a second."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # Waits, and then fails, where somebody holds the lock.
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        return 0
    sql = OPEN_TRANSACTIONS[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


OPEN_TRANSACTIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND state LIKE 'idle in transaction%' AND now() - state_change > interval '1 second'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx t "
    "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
    "WHERE p.db = database() AND p.command = 'Sleep' AND p.time > 1",
}


def workers_take_what_they_took(scene: Scene) -> None:
    for process in scene.live():
        if process.pid in scene.baselines:
            takes_what_it_took(process, scene.baselines[process.pid])


def takes_what_it_took(process: WorkerProcess, before: Baseline) -> None:
    most = before.descriptors + max(2, before.descriptors // 10)
    wait_until(
        lambda: taken(process).descriptors <= most,
        SETTLED,
        lambda: f"descriptors: {before} -> {taken(process)}",
    )
    grown = taken(process).rss - before.rss
    assert grown <= before.rss // 10 + 8 * MIB, f"the supervisor has grown by {grown} bytes"
