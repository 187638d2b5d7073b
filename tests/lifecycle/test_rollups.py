"""Every outcome is in the sums once, whoever wrote it and however often it was merged."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum

from jobs.lifecycle import changing, claiming, finishing, leasing, rollups
from jobs.lifecycle.engines import Engine
from jobs.models import Job, Resolution, Rollup, Worker
from jobs.states import AttemptStatus, JobStatus, Reason
from tests.factories import make_job, make_worker

from .acting import at_once, claim_new, dispatch, fail, finish, outcome
from .job_classes import Plain

pytestmark = pytest.mark.django_db

FAILED, COMPLETED = AttemptStatus.FAILED, AttemptStatus.COMPLETED
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def sums(**which: Any) -> dict[str, float]:
    """Return the sums that are not 0, of all rows or of those of one kind."""
    columns = rollups.SUMMED[:5]
    found = Rollup.objects.filter(**which).aggregate(**{name: Sum(name) for name in columns})
    return {name: value for name, value in found.items() if value}


def test_a_completed_job_is_counted_with_what_it_took(worker: Worker) -> None:
    one = claim_new(worker)
    at = NOON + timedelta(seconds=30.5)
    times = {"started_at": at - timedelta(seconds=2), "finished_at": at}
    due = times["started_at"] - timedelta(seconds=5)
    finish(worker, one, COMPLETED, **times, due_at=due, cpu_seconds=0.5, peak_rss=7000)
    row = Rollup.objects.get()
    assert (row.resolution, row.period) == (Resolution.WRITER, NOON)
    assert (row.job_class, row.queue) == (Plain.job_name, "default")
    assert (row.completed, row.failed, row.retried) == (1, 0, 0)
    assert (row.waited_seconds, row.ran_seconds, row.cpu_seconds) == (5.0, 2.0, 0.5)
    assert row.peak_rss == 7000


def test_durations_are_counted_in_their_buckets(worker: Worker) -> None:
    one = claim_new(worker)
    at = NOON
    finish(worker, one, COMPLETED, finished_at=at, started_at=at - MINUTE, due_at=at - 3 * MINUTE)
    row = Rollup.objects.values().get()
    counted = {name: n for name, n in row.items() if name.startswith(("waited_", "ran_")) and n}
    # 60 s and 120 s in milliseconds have 16 and 17 binary digits.
    assert counted == {
        "waited_17": 1,
        "waited_seconds": 120,
        "waited_max": 120,
        "ran_16": 1,
        "ran_seconds": 60,
        "ran_max": 60,
    }


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        ({"status": FAILED}, "retried"),
        ({"status": FAILED, "final": True}, "failed"),
        ({"status": AttemptStatus.CANCELLED, "reason": Reason.CANCELLED}, "cancelled"),
        ({"status": AttemptStatus.RELEASED, "reason": Reason.SHUTDOWN}, "released"),
        ({"status": AttemptStatus.RELEASED, "reason": Reason.POSTPONED, "delay": 9}, "released"),
    ],
)
def test_every_end_of_an_attempt_is_counted_as_what_it_was(
    worker: Worker, values: dict[str, Any], counted: str
) -> None:
    finish(worker, claim_new(worker), **values)
    assert sums() == {counted: 1}


def test_a_batch_is_written_in_one_statement(
    worker: Worker, engine: Engine, django_assert_num_queries: Any
) -> None:
    told = [outcome(claim_new(worker), finished_at=NOON) for _ in range(5)]
    told += [outcome(claim_new(worker, queue="mail"), finished_at=NOON + MINUTE) for _ in range(3)]
    with django_assert_num_queries(0):
        tally = rollups.Tally()
        for one in told:
            tally.add(one, JobStatus.COMPLETED)
    with django_assert_num_queries(1):
        tally.store(engine)
    assert dict(Rollup.objects.values_list("queue", "completed")) == {"default": 5, "mail": 3}


def test_a_second_batch_is_added_to_the_first(worker: Worker) -> None:
    for size in (3000, 1000, 2000):
        finish(worker, claim_new(worker), COMPLETED, finished_at=NOON, peak_rss=size)
    row = Rollup.objects.get()
    assert (row.completed, row.cpu_seconds, row.peak_rss) == (3, 1.5, 3000)


def test_an_outcome_that_comes_too_late_is_not_counted(worker: Worker, engine: Engine) -> None:
    told = outcome(claim_new(worker))
    for _ in range(2):
        finishing.finish(engine, worker.pk, [told])
    assert sums() == {"completed": 1}


def test_measures_of_a_late_outcome_are_added_once(worker: Worker, engine: Engine) -> None:
    told = outcome(claim_new(worker), cpu_seconds=None)
    finishing.finish(engine, worker.pk, [told])
    for _ in range(2):
        told.cpu_seconds, told.peak_rss = 0.25, 5000
        finishing.finish(engine, worker.pk, [told])
    assert sums() == {"completed": 1}
    assert Rollup.objects.values_list("cpu_seconds", "peak_rss").get() == (0.25, 5000)


def test_what_is_rolled_back_is_not_counted(worker: Worker, engine: Engine) -> None:
    told = outcome(claim_new(worker))
    with transaction.atomic():
        finishing.finish(engine, worker.pk, [told])
        transaction.set_rollback(True)
    assert sums() == {}


def test_a_rescued_attempt_is_counted(worker: Worker, other_worker: Worker, engine: Engine) -> None:
    claim_new(worker, queue="mail")
    leasing.rescue(engine, worker.pk, gone=True)
    assert sums(queue="mail", job_class=Plain.job_name) == {"released": 1}


def test_a_job_cancelled_while_it_waits_is_counted(db: None) -> None:
    assert changing.cancel(dispatch(delay=60, queue="mail").pk)
    assert sums(queue="mail", job_class=Plain.job_name) == {"cancelled": 1}


def test_asking_a_running_job_to_stop_counts_nothing_yet(worker: Worker) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    assert sums() == {}
    fail(worker, one)
    assert sums() == {"cancelled": 1}


def test_a_claim_given_back_counts_nothing(worker: Worker, engine: Engine) -> None:
    claiming.unclaim(engine, worker.pk, [claim_new(worker)])
    assert sums() == {}


def test_a_claim_given_back_of_a_job_to_be_cancelled_counts(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    claiming.unclaim(engine, worker.pk, [one])
    assert sums() == {"cancelled": 1}


def test_a_job_failed_for_want_of_its_class_is_counted(worker: Worker, engine: Engine) -> None:
    make_job(job_class="shop.Gone", unresolved_since=engine.now() - 2 * DAY)
    claiming.claim(engine, worker.pk, ["default"], 1)
    assert sums(job_class="shop.Gone") == {"failed": 1}


@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_minute_have_rows_of_their_own(worker: Worker) -> None:
    claims = [claim_new(worker) for _ in range(4)]

    def write(engine: Engine) -> None:
        one = claims.pop()
        finishing.finish(engine, worker.pk, [outcome(one, finished_at=NOON)])

    at_once(4, write)
    assert sums() == {"completed": 4}
    assert Rollup.objects.values("shard").distinct().count() == 4


def test_processes_forked_from_one_have_rows_of_their_own() -> None:
    shards = {rollups.shard(), *(shard_of_a_fork() for _ in range(3))}
    assert len(shards) == 4


def shard_of_a_fork() -> int:
    """Return what tells the rows of a process that is forked here from those of others."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(rollups.shard()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with open(reader) as told:
        return int(told.read())


@pytest.mark.django_db(transaction=True)
def test_two_who_write_at_the_same_time_do_not_wait_for_each_other(
    only_postgresql: None, worker: Worker, engine: Engine
) -> None:
    mine, others = claim_new(worker), claim_new(make_worker())
    with transaction.atomic():
        finish(worker, mine, COMPLETED, finished_at=NOON)
        holder = Worker.objects.exclude(pk=worker.pk).get()
        told = outcome(others, finished_at=NOON)
        at_once(1, lambda engine: finishing.finish(engine, holder.pk, [told]))
        assert Job.objects.get(pk=others.job_id).status == JobStatus.COMPLETED
