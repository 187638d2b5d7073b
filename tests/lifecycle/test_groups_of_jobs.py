"""Each job with an error is in the group of that error, and an operation on a group touches no other."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.fingerprints import likeness
from jobs.lifecycle import claiming, operations
from jobs.lifecycle.engines import Engine, engine_for
from jobs.models import AuditEntry, ErrorRollup, Job, Worker
from jobs.selection import Selection
from jobs.states import AttemptStatus, JobStatus
from tests.factories import make_job, make_worker

from .acting import claim_new, fail, finish, stored
from .job_classes import Plain
from .test_operations import begin, drain, small_steps, touched

__all__ = ["small_steps"]

pytestmark = pytest.mark.django_db

ERRORS = {"a": "order {} is gone", "b": "order {} is unpaid"}
A, B = (
    likeness(Plain.job_name, "ValueError", text.format(1)).fingerprint for text in ERRORS.values()
)


def failed(worker: Worker, error: str = "a", **values: Any) -> Job:
    one = claim_new(worker)
    fail(worker, one, error_message=ERRORS[error].format(one.job_id), **({"final": True} | values))
    return stored(one.job_id)


def test_a_failed_job_is_in_the_group_in_which_its_failure_is_counted(worker: Worker) -> None:
    assert failed(worker).error_group == A
    assert failed(worker, "b").error_group == B
    assert set(ErrorRollup.objects.values_list("fingerprint", flat=True)) == {A, B}


def test_a_job_that_will_be_tried_again_is_in_it_already(worker: Worker) -> None:
    job = failed(worker, final=False)
    assert (job.status, job.error_group) == (JobStatus.RETRYING, A)


def test_a_retried_job_is_in_no_group(worker: Worker) -> None:
    job = failed(worker)
    assert job.retry()
    assert job.error_group is None


def test_a_job_that_completes_at_last_is_in_no_group(worker: Worker, engine: Engine) -> None:
    job = failed(worker, final=False)
    claiming.promote_one(engine, job.pk)
    one = claiming.claim_job(engine, worker.pk, job.pk)
    assert one is not None
    assert finish(worker, one, AttemptStatus.COMPLETED) is not None
    job.refresh_from_db()
    assert (job.status, job.error_group) == (JobStatus.COMPLETED, None)


def test_the_latest_error_decides(worker: Worker, engine: Engine) -> None:
    job = failed(worker, "a", final=False)
    claiming.promote_one(engine, job.pk)
    one = claiming.claim_job(engine, worker.pk, job.pk)
    assert one is not None
    fail(worker, one, error_message=ERRORS["b"].format(1), final=True)
    assert stored(job.pk).error_group == B


def test_a_job_whose_class_nobody_knows_is_in_the_group_of_that(
    worker: Worker, engine: Engine
) -> None:
    late = make_job(job_class="shop.Gone", unresolved_since=engine.now() - timedelta(days=2))
    claiming.claim(engine, worker.pk, ["default"], 1)
    job = stored(late.pk)
    assert job.status == JobStatus.FAILED
    assert job.error_group == ErrorRollup.objects.get().fingerprint


# -- jobs of before --------------------------------------------------------------------------------


def test_the_migration_puts_older_jobs_into_their_groups(worker: Worker, engine: Engine) -> None:
    jobs = [failed(worker), failed(worker, "b"), failed(worker, final=False)]
    make_job(job_class="shop.Gone", unresolved_since=engine.now() - timedelta(days=2))
    claiming.claim(engine, worker.pk, ["default"], 1)
    jobs.append(Job.objects.get(job_class="shop.Gone"))
    done = make_job(JobStatus.COMPLETED)
    groups = {job.pk: job.error_group for job in jobs}
    Job.objects.update(error_group=None)
    migration = importlib.import_module("jobs.migrations.0011_group_errors_of_old_jobs")
    migration.group(apps, connection.schema_editor())
    assert dict(Job.objects.values_list("pk", "error_group")) == groups | {done.pk: None}


# -- operations on a group -------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
def test_all_failed_jobs_of_a_group_are_retried_and_no_other(
    worker: Worker, engine: Engine
) -> None:
    wanted = {failed(worker).pk for _ in range(7)}
    others = [failed(worker, "b"), failed(worker, final=False), make_job(JobStatus.FAILED)]
    operation = begin(selection=Selection(status="failed", group=A))
    drain(engine)
    assert touched(operation) == wanted
    assert not Job.objects.filter(pk__in=[job.pk for job in others], status="queued").exists()


def test_a_job_that_came_into_a_group_after_it_was_asked_for_is_left_alone(
    worker: Worker, engine: Engine
) -> None:
    job = failed(worker, "b", final=False)
    operation = begin("cancel", Selection(group=A))
    claiming.promote_one(engine, job.pk)
    one = claiming.claim_job(engine, worker.pk, job.pk)
    assert one is not None
    fail(worker, one, error_message=ERRORS["a"].format(1))
    assert stored(job.pk).error_group == A
    drain(engine)
    assert touched(operation) == set()


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_failed_jobs_of_a_group_are_one_range_of_an_index(
    newest_first: bool, engine: Engine
) -> None:
    like = Job.objects.values().get(pk=make_job(JobStatus.FAILED, error_group=B).pk)
    others = [Job(**like | {"id": None, "error_group": A if n % 20 else B}) for n in range(3000)]
    Job.objects.bulk_create(others)
    if (
        connection.vendor != "mysql"
    ):  # There it would end the transaction, and InnoDB counts itself.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_job")
    selection = Selection(status="failed", group=B)
    assert selection.is_one_range
    jobs = selection.ordered(selection.jobs(), newest_first=newest_first)
    plan = jobs.values_list("pk", flat=True)[:5].explain()
    assert "jobs_job_error_group" in plan
    assert "filesort" not in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


KINDS = st.sampled_from(["a", "b", "retrying", "new"])
MOVES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["retry", "cancel", "a", "b"])), max_size=6
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(kinds=st.lists(KINDS, min_size=3, max_size=9), moves=MOVES, steps=st.sampled_from([0, 0, 1]))
def test_all_of_a_group_is_exactly_the_group_even_while_rows_change(
    db, small_steps, kinds, moves, steps
) -> None:
    for model in (AuditEntry, Job, Worker):
        model.objects.all().delete()
    worker, engine = make_worker(), engine_for()
    jobs = [make_one(worker, kind) for kind in kinds]
    wanted = {job.pk for job, kind in zip(jobs, kinds, strict=True) if kind == "a"}
    operation = begin(selection=Selection(status="failed", group=A))
    for _ in range(steps):
        operations.advance(engine)
    before = touched(operation)
    moved: set[int] = set()
    for place, verb in moves:
        moved |= change(worker, jobs, place, verb)
    drain(engine)
    # Whoever else moved a job first had it; all that nobody else moved is done.
    assert touched(operation) <= wanted
    assert touched(operation) - before == wanted - before - moved


def make_one(worker: Worker, kind: str) -> Job:
    if kind == "new":
        return make_job(job_class=Plain.job_name)
    return failed(worker, "a" if kind == "retrying" else kind, final=kind != "retrying")


def change(worker: Worker, jobs: list[Job], place: int, verb: str) -> set[int]:
    """Do to a job what people and workers do to it; return it if it has left the state it was in."""
    if place >= len(jobs):
        return set()
    job = stored(jobs[place].pk)
    if verb == "retry":
        return {job.pk} if job.retry(by="bo") else set()
    if verb == "cancel":
        return {job.pk} if job.cancel(by="bo") else set()
    # It fails, perhaps once more, and perhaps otherwise than before.
    engine = engine_for()
    moved = job.retry(by="bo") or claiming.promote_one(engine, job.pk)
    one = claiming.claim_job(engine, worker.pk, job.pk)
    if one is None:
        return set()
    fail(worker, one, error_message=ERRORS[verb].format(job.pk), final=True)
    return {job.pk} if moved or job.status == JobStatus.QUEUED else set()
