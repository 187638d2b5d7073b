"""Operations on many jobs: carried out in steps, each job once, and only those that were meant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.lifecycle import operations
from jobs.lifecycle.engines import Engine, engine_for
from jobs.lifecycle.operations import Estimate
from jobs.models import AuditEntry, Job, Operation
from jobs.selection import Selection
from jobs.states import CANCELLABLE, RETRYABLE, JobStatus, OperationStatus
from tests.factories import make_attempt, make_job, make_user, make_worker

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def begin(kind: str = "retry", selection: Selection | None = None, **values: Any) -> Operation:
    last = Job.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    defaults: dict[str, Any] = {
        "asked_at": engine_for().now(),
        "last_job": last,
        "estimate": Estimate(0),
    }
    return operations.begin(kind, selection or Selection(), **(defaults | values))


def drain(engine: Engine) -> None:
    while operations.advance(engine):
        pass


def touched(operation: Operation) -> set[int]:
    return set(operation.audit.values_list("job_id", flat=True))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "STEP", 3)
    monkeypatch.setattr(operations, "SPAN", 5)


@pytest.mark.usefixtures("small_steps")
def test_all_jobs_of_the_filter_are_retried_and_no_other(engine: Engine) -> None:
    wanted = {make_job(JobStatus.FAILED, queue="mail").pk for _ in range(10)}
    other = make_job(JobStatus.FAILED, queue="slow")
    operation = begin(selection=Selection(status="failed", queue="mail"), by=make_user())
    drain(engine)
    operation.refresh_from_db()
    assert touched(operation) == wanted
    assert (operation.done, operation.status) == (10, OperationStatus.COMPLETED)
    assert set(Job.objects.filter(status="queued").values_list("pk", flat=True)) == wanted
    other.refresh_from_db()
    assert other.status == JobStatus.FAILED
    assert set(operation.audit.values_list("actor_name", flat=True)) == {operation.actor_name}


@pytest.mark.usefixtures("small_steps")
def test_jobs_dispatched_after_it_was_asked_for_are_left_alone(engine: Engine) -> None:
    old = make_job()
    operation = begin("cancel", Selection(status="queued"))
    new = make_job()
    drain(engine)
    assert touched(operation) == {old.pk}
    new.refresh_from_db()
    assert new.status == JobStatus.QUEUED


def test_a_job_that_failed_after_it_was_asked_for_is_left_alone(engine: Engine) -> None:
    job = make_job(JobStatus.RUNNING)
    operation = begin(selection=Selection(status="failed"))
    Job.objects.filter(pk=job.pk).delete()
    make_job(JobStatus.FAILED, pk=job.pk, finished_at=engine.now() + SECOND)
    drain(engine)
    assert touched(operation) == set()


def test_a_job_that_left_the_filter_between_two_looks_is_skipped(engine: Engine) -> None:
    job = make_job(JobStatus.FAILED)
    operation = begin(selection=Selection(status="failed"))
    candidates, reached = operations._next(engine, operation)
    job.retry()
    engine.insist(lambda: operations._step(engine, operation, candidates, reached))
    operation.refresh_from_db()
    assert (operation.done, operation.skipped) == (0, {"changed": 1})
    assert operation.skipped_jobs == [[job.pk, "changed"]]


def test_named_jobs_that_cannot_be_changed_are_listed_with_why(engine: Engine) -> None:
    done, running, failed = (make_job(s) for s in ("completed", "running", "failed"))
    operation = begin(selection=Selection(ids=(done.pk, running.pk, failed.pk, 10_000)))
    operation.last_job = 10_000
    operation.save()
    drain(engine)
    operation.refresh_from_db()
    assert touched(operation) == {failed.pk}
    assert operation.skipped == {"completed": 1, "running": 1, "deleted": 1}


def test_cancelling_ends_waiting_jobs_and_asks_running_ones_once(engine: Engine) -> None:
    asked = make_job(JobStatus.RUNNING, cancel_requested_at=engine.now())
    running, waiting = make_job(JobStatus.RUNNING), make_job(JobStatus.SCHEDULED)
    operation = begin("cancel")
    drain(engine)
    operation.refresh_from_db()
    running.refresh_from_db()
    waiting.refresh_from_db()
    assert running.is_cancelling
    assert waiting.status == JobStatus.CANCELLED
    assert operation.skipped == {"cancelling": 1}
    assert touched(operation) == {running.pk, waiting.pk}
    assert not asked.audit.exists()


@pytest.mark.usefixtures("small_steps")
def test_a_stopped_operation_keeps_what_it_did_and_does_no_more(engine: Engine) -> None:
    for _ in range(7):
        make_job(JobStatus.FAILED)
    operation = begin(selection=Selection(status="failed"))
    operations.advance(engine)
    assert operations.stop(operation.pk, by="bo")
    assert not operations.stop(operation.pk, by="ana")
    drain(engine)
    operation.refresh_from_db()
    assert (operation.done, operation.status) == (3, OperationStatus.STOPPED)
    assert operation.stopped_by == "bo"


@pytest.mark.usefixtures("small_steps")
def test_two_workers_that_saw_the_same_step_take_it_once(engine: Engine) -> None:
    for _ in range(5):
        make_job(JobStatus.FAILED)
    operation = begin(selection=Selection(status="failed"))
    assert operations.step(engine, operation)
    assert not operations.step(engine, operation)
    operation.refresh_from_db()
    assert operation.done == 3


@pytest.mark.usefixtures("small_steps", "transactional_db")
def test_a_worker_that_dies_within_a_step_has_done_nothing_of_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        make_job(JobStatus.FAILED)
    operation = begin(selection=Selection(status="failed"))
    with monkeypatch.context() as patch:
        patch.setattr(Operation, "save", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            operations.step(engine, operation)
    assert touched(operation) == set()
    assert Job.objects.filter(status="failed").count() == 3
    drain(engine)
    assert len(touched(operation)) == 3


def test_an_operation_that_cannot_be_carried_out_ends_and_says_why(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise DataError("number too large")

    operation = begin()
    monkeypatch.setattr(operations, "_next", refuse)
    drain(engine)
    operation.refresh_from_db()
    assert (operation.status, operation.error) == ("failed", "DataError: number too large")


def test_a_filter_of_a_newer_version_is_not_taken_for_a_wider_one(engine: Engine) -> None:
    make_job(JobStatus.FAILED)
    operation = begin(selection=Selection(status="failed"))
    Operation.objects.update(selection={"status": "failed", "colour": "blue"})
    drain(engine)
    operation.refresh_from_db()
    assert (operation.status, touched(operation)) == ("failed", set())
    assert "knows no filter by colour" in operation.error


@pytest.mark.usefixtures("only_sqlite")
@pytest.mark.parametrize(
    "selection",
    [
        Selection(status="failed"),
        Selection(queue="mail", error="ValueError", worker="alpha"),
        Selection(argument="customer:7", text="invoice"),
        Selection(),
    ],
)
def test_a_step_reads_a_range_of_an_index(selection: Selection, engine: Engine) -> None:
    for _ in range(3):
        make_job(JobStatus.FAILED)
    make_worker(hostname="alpha")
    operation = begin(selection=selection)
    jobs = operations._matching(engine, operation).filter(pk__gte=1, pk__lt=10_000)
    plan = jobs.order_by("pk").values_list("pk", flat=True)[:101].explain()
    assert "SCAN" not in plan, plan


STATES = st.sampled_from(list(JobStatus)) | st.sampled_from([JobStatus.FAILED, JobStatus.RUNNING])
ASKED = st.sampled_from(["", JobStatus.FAILED, JobStatus.QUEUED]) | st.sampled_from(list(JobStatus))
QUEUES = st.sampled_from(["mail", "slow"])
JOBS = st.lists(st.tuples(STATES, QUEUES), min_size=3, max_size=12)
MOVES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["retry", "cancel", "fail", "new"])), max_size=9
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    jobs=JOBS,
    moves=MOVES,
    kind=st.sampled_from(["retry", "cancel"]),
    status=ASKED,
    queue=st.sampled_from(["", "mail"]),
    tag=st.sampled_from(["", "", "third"]),
    steps=st.sampled_from([0, 0, 1]),
)
def test_all_matching_is_exactly_the_filtered_set_even_while_rows_change(
    db, small_steps, jobs, moves, kind, status, queue, tag, steps
) -> None:
    AuditEntry.objects.all().delete()
    Job.objects.all().delete()
    Operation.objects.all().delete()
    engine = engine_for()
    stored = [make_one(pk, *one) for pk, one in enumerate(jobs, 1)]
    selection = Selection(status=status, queue=queue, tag=tag)
    sources = RETRYABLE if kind == "retry" else CANCELLABLE
    matched = {
        job.pk
        for job in stored
        if job.status in sources and status in ("", job.status) and queue in ("", job.queue)
        if not tag or tag in job.tags
    }
    operation = begin(kind, selection)
    for _ in range(steps):
        operations.advance(engine)
    before = touched(operation)
    moved: set[int] = set()
    for place, verb in moves:
        moved |= change(stored, place, verb)
    drain(engine)
    # Whoever else moved a job first had it; all that nobody else moved is done.
    assert touched(operation) <= matched
    assert touched(operation) - before == matched - before - moved


def make_one(pk: int, status: str, queue: str) -> Job:
    job = make_job(status, queue=queue, pk=pk, tags=["third"] if pk % 3 == 0 else [])
    if status == JobStatus.RUNNING:
        make_attempt(job, "running")
    return job


def change(stored: list[Job], place: int, verb: str) -> set[int]:
    """Do to a job what people and workers do to it; return it if it has left the state it was in."""
    if verb == "new":
        newest = Job.objects.order_by("-pk").first()
        make_job(JobStatus.FAILED, queue="mail", pk=newest.pk + 1 if newest else 1)
    if place >= len(stored):
        return set()
    job = Job.objects.get(pk=stored[place].pk)
    if verb == "retry":
        return {job.pk} if job.retry(by="bo") else set()
    if verb == "cancel":
        return {job.pk} if job.cancel(by="bo") else set()
    if verb == "fail" and job.status == JobStatus.RUNNING:
        later = engine_for().now()
        job.attempts.update(status=JobStatus.FAILED, finished_at=later)
        Job.objects.filter(pk=job.pk).update(
            status=JobStatus.FAILED, finished_at=later, cancel_requested_at=None
        )
        return {job.pk}
    return set()
