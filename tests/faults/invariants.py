"""What holds after every fault, whatever it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from django.db import connection

from jobs.models import Attempt, Job
from jobs.states import FINAL, AttemptStatus, JobStatus

from ..waiting import DEADLINE, wait_until
from ..worker.conftest import WorkerProcess
from . import witness
from .processes import Costs, costs
from .scale import at_most
from .scene import Scene, patiently

ORPHANS_GONE, CANARY_DONE, SETTLED = 2.0, 5.0, 15.0
"""Seconds. The canary has three times as long in a short run, see `at_most`: six tests share two cores."""
MORE, KEPT = 1.1, 8 * 1024 * 1024
"""What a worker may take in the end, of what it took at first."""
LAST_OF = {
    JobStatus.COMPLETED: {AttemptStatus.COMPLETED},
    JobStatus.FAILED: {AttemptStatus.FAILED},
    JobStatus.CANCELLED: {AttemptStatus.CANCELLED, AttemptStatus.RELEASED, AttemptStatus.FAILED},
}
"""Status of a job → what its last attempt may have ended as."""


@contextmanager
def kept(scene: Scene) -> Iterator[None]:
    """Check every invariant when what is done within is over."""
    witness.watch()
    yield
    scene.go()
    check(scene)
    witness.leave()


def check(scene: Scene) -> None:
    """Check every invariant of the catalogue, I1 to I7. Starts a worker if none lives."""
    if not scene.live():
        scene.ready()
    scene.over()
    nothing_is_lost(scene)
    canaries_were_quick(scene)
    one_outcome_per_attempt()
    assert not witness.seen(), "attempts were changed after their end"
    nothing_overlaps(scene)
    nothing_is_left(scene)
    no_transaction_is_left_open()
    workers_take_what_they_took(scene)


def nothing_is_lost(scene: Scene) -> None:
    scene.finish()
    stored = Job.objects.in_bulk(scene.dispatched)
    assert not scene.dispatched - stored.keys(), "jobs that were dispatched are gone"
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING)
    assert not running.exists(), f"running without a running job: {list(running[:10])}"


def one_outcome_per_attempt() -> None:
    """Attempts are numbered without a gap, each ends once, and the last one says how its job ended."""
    of_jobs: dict[int, list[Attempt]] = {}
    for attempt in Attempt.objects.order_by("job_id", "number").select_related("job"):
        of_jobs.setdefault(attempt.job_id, []).append(attempt)
    for attempts in of_jobs.values():
        fit_their_job(attempts[0].job, attempts)
    assert not Job.objects.filter(status=JobStatus.COMPLETED, attempts_made=0).exists()


def fit_their_job(job: Job, attempts: list[Attempt]) -> None:
    assert [one.number for one in attempts] == list(range(1, job.attempts_made + 1)), job
    won = [one for one in attempts if one.status == AttemptStatus.COMPLETED]
    assert len(won) <= 1, f"{job} completed {len(won)} times"
    for one in attempts:
        is_running = job.status == JobStatus.RUNNING and one is attempts[-1]
        assert (one.finished_at is None) == (one.status == AttemptStatus.RUNNING) == is_running, one
        if one.started_at and one.finished_at:
            assert one.started_at <= one.finished_at, one
    if job.status in FINAL:
        assert attempts[-1].status in LAST_OF[JobStatus(job.status)], (job, attempts[-1])


def nothing_overlaps(scene: Scene) -> None:
    """No attempt began while another one's process was there, and none began twice."""
    assert not scene.effects("overlap")
    starts = sorted((one.job, one.attempt) for one in scene.effects("start"))
    twice = [one for one, other in pairwise(starts) if one == other]
    assert not twice, f"attempts that began twice: {twice}"


def canaries_were_quick(scene: Scene) -> None:
    """Each job that was sent when a fault was over was done in time, and one was sent."""
    ends = {one.job: one.at for one in scene.effects("end")}
    took = [ends[job] - sent_at for job, sent_at in scene.canaries]
    assert took, "no job could be dispatched after the fault"
    assert max(took) <= at_most(CANARY_DONE), f"canaries took {took} s\n{scene.story()}"


def nothing_is_left(scene: Scene) -> None:
    """No process is there but workers with as many job processes as they should have; no zombie, either."""
    wait_until(
        lambda: not scene.orphans(), ORPHANS_GONE, lambda: f"orphans: {scene.describe_orphans()}"
    )


def no_transaction_is_left_open() -> None:
    wait_until(
        lambda: patiently(lambda: open_transactions() == 0), DEADLINE, "transactions are open"
    )


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
        if before := scene.baselines.get(process.pid):
            takes_what_it_took(process, before)


def takes_what_it_took(process: WorkerProcess, before: Costs) -> None:
    """Supervisor and launcher have as many descriptors open as at first, and no more memory, within a tenth.

    Where a tenth is less, one descriptor either way is allowed, and 8 MiB: what an interpreter has once
    needed for a moment it keeps. A launcher in place of another one is held
    against the first one's descriptors alone: it is a new interpreter, and shares no memory with anybody.
    """
    wait_until(
        lambda: descriptors_fit(process, before),
        SETTLED,
        lambda: f"{before} -> {costs(process)}, {process.output()}",
    )
    now = costs(process)
    assert now.supervisor.rss <= memory_left(before.supervisor.rss), (
        f"supervisor: {before} -> {now}"
    )
    if now.launcher_pid == before.launcher_pid:
        assert now.launcher.rss <= memory_left(before.launcher.rss), f"launcher: {before} -> {now}"


def memory_left(rss: int) -> float:
    """Return how much memory is left to a process that took `rss` bytes."""
    return max(rss * MORE, rss + KEPT)


def descriptors_fit(process: WorkerProcess, before: Costs) -> bool:
    try:
        now = costs(process)
    except (OSError, ValueError):  # The launcher is being replaced.
        return False
    return all(
        abs(one.descriptors - was.descriptors) <= max(1, was.descriptors * (MORE - 1))
        for one, was in ((now.supervisor, before.supervisor), (now.launcher, before.launcher))
    )
