"""Finished jobs go when their time is over, with all that belongs to them, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from jobs.conf import read
from jobs.lifecycle import changing, retention
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.retention import Retention
from jobs.models import Attempt, AuditEntry, Job, OutputChunk, Worker
from jobs.states import FINAL, AttemptStatus, JobStatus, WorkerStatus
from jobs.worker.upkeep import AFTER_A_REFUSAL, PAUSE, upkeep
from tests.factories import make_attempt, make_audit, make_job, make_output, make_worker

from .acting import Other, at_once

pytestmark = pytest.mark.django_db

KEPT = Retention(completed=14, failed=90)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def ended(engine: Engine) -> Callable[..., Job]:
    """Store a job that reached a final state so many days ago, with an attempt of its own."""

    def make(status: str, days: float, **values: Any) -> Job:
        at = engine.now() - days * DAY
        times = {"run_at": at, "created_at": at, "started_at": at, "finished_at": at}
        job = make_job(status, **(times | values))
        make_attempt(job, claimed_at=at, started_at=at, finished_at=at)
        return job

    return make


def ids() -> set[int]:
    return set(Job.objects.values_list("id", flat=True))


# -- what goes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "days", "stays"),
    [
        (JobStatus.COMPLETED, 13.9, True),
        (JobStatus.COMPLETED, 14.1, False),
        (JobStatus.FAILED, 14.1, True),
        (JobStatus.FAILED, 90.1, False),
        (JobStatus.CANCELLED, 89.9, True),
        (JobStatus.CANCELLED, 90.1, False),
    ],
)
def test_a_job_goes_when_its_days_are_over(
    engine: Engine, ended: Callable[..., Job], status: str, days: float, stays: bool
) -> None:
    job = ended(status, days)
    deleted = retention.prune(engine, KEPT)
    assert ids() == ({job.pk} if stays else set())
    assert deleted.total() == (not stays)


@pytest.mark.parametrize("status", sorted(set(JobStatus) - FINAL))
def test_a_job_that_is_not_finished_stays_however_old(engine: Engine, status: str) -> None:
    long_ago = engine.now() - 1000 * DAY
    job = make_job(status, created_at=long_ago, run_at=long_ago)
    retention.prune(engine, KEPT)
    assert ids() == {job.pk}


@pytest.mark.parametrize("forever", [None, 0.0])
def test_no_limit_keeps_for_ever(
    engine: Engine, ended: Callable[..., Job], forever: float | None
) -> None:
    kept, gone = ended(JobStatus.COMPLETED, 4000), ended(JobStatus.FAILED, 4000)
    retention.prune(engine, Retention(completed=forever, failed=90))
    assert ids() == {kept.pk} != {gone.pk}


def test_all_that_belongs_to_a_job_goes_with_it(engine: Engine, ended: Callable[..., Job]) -> None:
    for days in (1, 15):
        job = ended(JobStatus.COMPLETED, days)
        make_output(make_attempt(job), ("out", "hello\n"))
        make_audit(job)
    assert retention.prune(engine, KEPT)[JobStatus.COMPLETED] == 1
    counts = [model.objects.count() for model in (Job, Attempt, OutputChunk, AuditEntry)]
    assert counts == [1, 2, 1, 1]


def test_a_job_whose_hook_is_still_to_run_stays(engine: Engine, ended: Callable[..., Job]) -> None:
    job = ended(JobStatus.FAILED, 100)
    Attempt.objects.filter(job=job).update(hook_pending=True)
    retention.prune(engine, KEPT)
    assert ids() == {job.pk}


# -- how -------------------------------------------------------------------------------------------


def test_the_oldest_go_first_and_only_some_at_a_time(
    engine: Engine, ended: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNED_AT_ONCE", 2)
    jobs = [ended(JobStatus.COMPLETED, 20 + n) for n in range(5)]
    assert retention.prune(engine, KEPT)[JobStatus.COMPLETED] == 2
    assert ids() == {job.pk for job in jobs[:3]}


def test_a_batch_takes_few_statements(
    engine: Engine, ended: Callable[..., Job], django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        make_output(make_attempt(ended(JobStatus.COMPLETED, 15)), ("out", "hello\n"))
    with django_assert_max_num_queries(12):
        retention.prune(engine, KEPT)
    assert ids() == set()


def test_no_traceback_or_argument_is_read_to_delete_it(
    engine: Engine, ended: Callable[..., Job], django_assert_max_num_queries: Any
) -> None:
    ended(JobStatus.COMPLETED, 15)
    with django_assert_max_num_queries(20) as statements:
        retention.prune(engine, KEPT)
    told = " ".join(one["sql"] for one in statements.captured_queries)
    assert "traceback" not in told
    assert "arguments" not in told


def test_what_is_old_is_found_in_an_index(engine: Engine, ended: Callable[..., Job]) -> None:
    if connection.vendor == "mysql":
        pytest.skip("MySQL chooses by numbers of rows a test has not")
    for _ in range(200):
        ended(JobStatus.COMPLETED, 1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    end = engine.now() - 14 * DAY
    for status in FINAL:
        old = retention._old(engine, status, end).order_by("finished_at").values_list("id")[:5]
        plan = old.explain()
        assert "jobs_job_finished" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.django_db(transaction=True)
def test_a_retry_that_was_first_keeps_the_job(
    several_writers: None, engine: Engine, ended: Callable[..., Job]
) -> None:
    retried, other = ended(JobStatus.FAILED, 100), ended(JobStatus.FAILED, 100)
    with transaction.atomic():
        assert changing.retry(retried.pk)
        pruning = Other(lambda own: retention.prune(own, KEPT))
        assert pruning.result()[JobStatus.FAILED] == 1
    assert ids() == {retried.pk} != {other.pk}
    assert Job.objects.get().status == JobStatus.QUEUED


def test_a_retry_that_came_second_moves_nothing(engine: Engine, ended: Callable[..., Job]) -> None:
    job = ended(JobStatus.FAILED, 100)
    retention.prune(engine, KEPT)
    assert not changing.retry(job.pk)


@pytest.mark.django_db(transaction=True)
def test_workers_that_prune_at_the_same_time_delete_everything_once(
    ended: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNED_AT_ONCE", 5)
    for n in range(40):
        ended(JobStatus.COMPLETED, 15 + n)
    kept = ended(JobStatus.COMPLETED, 1)

    def until_empty(engine: Engine) -> int:
        deleted = 0
        while Job.objects.exclude(pk=kept.pk).exists():
            deleted += retention.prune(engine, KEPT).total()
        return deleted

    assert sum(at_once(3, until_empty)) == 40
    assert ids() == {kept.pk}


# -- workers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [WorkerStatus.STOPPED, WorkerStatus.LOST])
def test_a_worker_goes_when_nothing_of_it_is_left(engine: Engine, status: str) -> None:
    make_worker(status, stopped_at=engine.now() - 3 * DAY)
    assert retention.prune_workers(engine) == 1
    assert not Worker.objects.exists()


def test_a_worker_stays_while_an_attempt_names_it(
    engine: Engine, ended: Callable[..., Job]
) -> None:
    old, new = (
        make_worker(WorkerStatus.STOPPED, stopped_at=engine.now() - days * DAY) for days in (9, 7)
    )
    job = ended(JobStatus.FAILED, 8)
    Attempt.objects.filter(job=job).update(worker=new)
    assert retention.prune_workers(engine) == 1
    assert set(Worker.objects.values_list("id", flat=True)) == {new.pk} != {old.pk}


def test_a_worker_that_has_just_ended_stays(engine: Engine) -> None:
    make_worker(WorkerStatus.STOPPED, stopped_at=engine.now() - HOUR)
    assert retention.prune_workers(engine) == 0


def test_a_live_worker_stays(engine: Engine) -> None:
    make_worker(started_at=engine.now() - 100 * DAY)
    assert retention.prune_workers(engine) == 0


# -- as a worker does it ---------------------------------------------------------------------------


def test_workers_prune_by_the_settings(
    engine: Engine, ended: Callable[..., Job], settings: Any
) -> None:
    settings.BACKGROUND_JOB_KEEP_COMPLETED = 3
    settings.BACKGROUND_JOB_KEEP_FAILED = None
    ended(JobStatus.COMPLETED, 4)
    kept = ended(JobStatus.FAILED, 4000)
    assert upkeep(engine) == PAUSE
    assert ids() == {kept.pk}


def test_a_backlog_is_worked_off_with_pauses_in_between(
    engine: Engine, ended: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNED_AT_ONCE", 2)
    for _ in range(5):
        ended(JobStatus.COMPLETED, 15)
    pauses = [upkeep(engine) for _ in range(3)]
    assert 0 < max(pauses[:2]) < PAUSE == pauses[2]
    assert ids() == set()


@pytest.mark.django_db(transaction=True)
def test_where_the_project_protects_a_job_it_stays_and_pruning_is_put_off(
    engine: Engine, ended: Callable[..., Job]
) -> None:
    job = ended(JobStatus.COMPLETED, 15)

    def protect(instance: Job, **_: Any) -> None:
        raise ProtectedError("an invoice refers to it", {instance})

    pre_delete.connect(protect, sender=Job)
    try:
        assert upkeep(engine) == AFTER_A_REFUSAL
    finally:
        pre_delete.disconnect(protect, sender=Job)
    assert ids() == {job.pk}


@pytest.mark.parametrize("name", ["KEEP_COMPLETED", "KEEP_FAILED"])
def test_none_in_the_settings_of_django_means_for_ever(settings: Any, name: str) -> None:
    setattr(settings, f"BACKGROUND_JOB_{name}", None)
    assert read(name) is None


def test_an_attempt_of_a_pruned_job_takes_no_worker_with_it(
    engine: Engine, ended: Callable[..., Job]
) -> None:
    worker = make_worker()
    job = ended(JobStatus.COMPLETED, 15)
    make_attempt(job, AttemptStatus.COMPLETED, worker=worker)
    retention.prune(engine, KEPT)
    assert Worker.objects.count() == 1
