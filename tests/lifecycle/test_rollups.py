"""Every outcome is in the sums once, whoever wrote it and however often it was merged."""

from __future__ import annotations

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


def by_resolution() -> dict[int, int]:
    """Return resolution → jobs completed in rows of it."""
    rows = Rollup.objects.values_list("resolution").annotate(n=Sum("completed"))
    return dict(rows.order_by("resolution"))


def row_of(period: datetime, resolution: int = Resolution.WRITER, **values: Any) -> Rollup:
    defaults = {"job_class": "shop.Ship", "queue": "default", "shard": 1, "completed": 1}
    return Rollup.objects.create(resolution=resolution, period=period, **(defaults | values))


def merged(engine: Engine) -> None:
    while rollups.merge(engine):
        pass


# -- counting --------------------------------------------------------------------------------------


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


# -- merging ---------------------------------------------------------------------------------------


def test_minutes_of_writers_become_one_and_are_added_to_all_time(engine: Engine) -> None:
    at = rollups.period_of(engine.now() - 5 * MINUTE, Resolution.MINUTE)
    for shard in (1, 2, 3):
        row_of(at, shard=shard, waited_4=2, ran_7=None if shard == 1 else 1, peak_rss=shard)
    merged(engine)
    columns = ("resolution", "period", "shard", "completed", "waited_4", "ran_7", "peak_rss")
    assert list(Rollup.objects.order_by("resolution").values_list(*columns)) == [
        (Resolution.EVER, rollups.FIRST_PERIOD, 0, 3, 6, 2, 3),
        (Resolution.MINUTE, at, 0, 3, 6, 2, 3),
    ]


def test_a_minute_that_may_still_grow_is_left(engine: Engine) -> None:
    row_of(rollups.period_of(engine.now(), Resolution.MINUTE))
    merged(engine)
    assert by_resolution() == {Resolution.WRITER: 1}


@pytest.mark.parametrize(
    ("age", "kept_in"),
    [
        (HOUR, Resolution.MINUTE),
        (4 * HOUR, Resolution.TEN_MINUTES),
        (25 * HOUR, Resolution.TEN_MINUTES),
        (28 * HOUR, Resolution.HOUR),
        (13 * DAY, Resolution.HOUR),
        (16 * DAY, Resolution.DAY),
        (399 * DAY, Resolution.DAY),
    ],
)
def test_the_older_a_row_the_coarser_it_is(
    engine: Engine, age: timedelta, kept_in: Resolution
) -> None:
    at = engine.now() - age
    row_of(rollups.period_of(at, Resolution.MINUTE))
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 1, kept_in: 1}
    row = Rollup.objects.get(resolution=kept_in)
    assert row.period == rollups.period_of(at, kept_in)


def test_days_end_after_more_than_a_year_and_stay_in_the_lifetime(engine: Engine) -> None:
    row_of(engine.now() - 500 * DAY)
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 1}


def test_what_comes_late_is_added_to_an_hour_that_is_merged_already(engine: Engine) -> None:
    at = engine.now() - 30 * HOUR
    for _ in range(2):
        row_of(at)
        merged(engine)
    assert by_resolution() == {Resolution.EVER: 2, Resolution.HOUR: 2}


def test_classes_and_queues_stay_apart(engine: Engine) -> None:
    at = engine.now() - 30 * HOUR
    row_of(at, queue="mail")
    row_of(at, queue="default")
    row_of(at, job_class="shop.Bill")
    merged(engine)
    hours = Rollup.objects.filter(resolution=Resolution.HOUR)
    assert hours.count() == 3


def test_a_merge_takes_some_rows_at_a_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MERGED_AT_ONCE", 2)
    at = engine.now() - HOUR
    for shard in range(5):
        row_of(at, shard=shard)
    assert rollups.merge(engine) == 2
    assert by_resolution() == {Resolution.EVER: 2, Resolution.WRITER: 3, Resolution.MINUTE: 2}
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 5, Resolution.MINUTE: 5}


@pytest.mark.django_db(transaction=True)
def test_nothing_to_merge_opens_no_transaction(
    engine: Engine, django_assert_max_num_queries: Any
) -> None:
    row_of(engine.now())
    with django_assert_max_num_queries(len(rollups.STEPS) + 1) as statements:
        rollups.merge(engine)
    assert not [one for one in statements.captured_queries if one["sql"].startswith("BEGIN")]


@pytest.mark.django_db(transaction=True)
def test_workers_that_merge_at_the_same_time_lose_and_double_nothing(
    db: None, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "MERGED_AT_ONCE", 7)
    at = engine.now() - 20 * DAY
    Rollup.objects.bulk_create(
        Rollup(
            resolution=Resolution.WRITER,
            period=rollups.period_of(at + n * MINUTE, Resolution.MINUTE),
            job_class=f"shop.Job{n % 3}",
            queue="default",
            shard=n,
            completed=1,
        )
        for n in range(60)
    )
    at_once(3, merged)
    merged(engine)
    counts = by_resolution()
    assert counts.pop(Resolution.EVER) == 60
    assert sum(counts.values()) == 60
    assert set(counts) <= {Resolution.HOUR, Resolution.DAY}


@pytest.mark.django_db(transaction=True)
def test_an_outcome_may_arrive_while_its_minute_is_merged(worker: Worker, engine: Engine) -> None:
    claims = [claim_new(worker) for _ in range(12)]
    at = engine.now() - HOUR

    def write(own: Engine) -> None:
        for _ in range(4):
            finishing.finish(own, worker.pk, [outcome(claims.pop(), finished_at=at)])
            rollups.merge(own)

    at_once(3, write)
    merged(engine)
    assert by_resolution() == {Resolution.EVER: 12, Resolution.MINUTE: 12}
