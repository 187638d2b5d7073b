from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from jobs.lifecycle import changing, hooks, leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.records import Claim
from jobs.models import Attempt, Worker
from jobs.states import AttemptStatus, JobStatus, Reason
from tests.factories import make_worker

from .acting import Other, claim_new, fail, finish, stored
from .job_classes import SaysGoodbye

pytestmark = pytest.mark.django_db


def fail_for_good(worker: Worker, **how: Any) -> Claim:
    one = claim_new(worker, job_class=SaysGoodbye.job_name, max_attempts=1)
    fail(worker, one, **how)
    return one


def test_the_hook_is_due_for_the_worker_that_recorded_the_failure(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    one = fail_for_good(worker, reason=Reason.TIMEOUT, output_bytes=12)
    [due] = hooks.due_hooks(engine, worker.pk)
    assert due._replace(arguments=due.arguments.replace(" ", "")) == hooks.DueHook(
        attempt_id=one.attempt_id,
        job_id=one.job_id,
        number=1,
        job_class=SaysGoodbye.job_name,
        arguments='{"number":1}',
        reason=Reason.TIMEOUT,
        error_type="ValueError",
        error_message="no such thing",
        output_bytes=12,
        output_lines=0,
    )
    assert hooks.due_hooks(engine, other_worker.pk) == []


def test_the_hook_is_due_until_it_has_run(worker: Worker, engine: Engine) -> None:
    one = fail_for_good(worker)
    assert hooks.due_hooks(engine, worker.pk) == hooks.due_hooks(engine, worker.pk)
    hooks.hook_done(engine, worker.pk, one.attempt_id, 20, 3)
    attempt = Attempt.objects.get()
    assert (attempt.output_bytes, attempt.output_dropped) == (20, 3)
    assert hooks.due_hooks(engine, worker.pk) == []


def test_a_hook_never_changes_the_outcome(worker: Worker, engine: Engine) -> None:
    one = fail_for_good(worker)
    hooks.hook_done(engine, worker.pk, one.attempt_id, 0, 0)
    assert stored(one.job_id).status == JobStatus.FAILED
    assert Attempt.objects.get().status == AttemptStatus.FAILED


def test_no_hook_is_due_after_a_cancel(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker, job_class=SaysGoodbye.job_name, max_attempts=1)
    changing.cancel(one.job_id)
    settled = finish(worker, one, AttemptStatus.FAILED)
    assert settled is not None
    assert not settled.runs_hook
    assert hooks.due_hooks(engine, worker.pk) == []


@pytest.mark.parametrize("leave", ["lost", "stopped"])
def test_a_hook_left_behind_is_taken_over(leave: str, worker: Worker, engine: Engine) -> None:
    one = fail_for_good(worker)
    if leave == "lost":
        leasing.rescue(engine, worker.pk, gone=True)
    else:
        leasing.leave(engine, worker.pk)
    heir = make_worker()
    assert [due.attempt_id for due in hooks.due_hooks(engine, heir.pk)] == [one.attempt_id]


def test_a_hook_that_was_taken_over_is_not_closed_by_its_first_owner(
    worker: Worker, engine: Engine
) -> None:
    one = fail_for_good(worker)
    leasing.rescue(engine, worker.pk, gone=True)
    heir = make_worker()
    hooks.due_hooks(engine, heir.pk)
    hooks.hook_done(engine, worker.pk, one.attempt_id, 99, 0)
    assert len(hooks.due_hooks(engine, heir.pk)) == 1


def test_looking_for_hooks_is_one_statement_where_there_are_none(
    worker: Worker, engine: Engine, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert hooks.due_hooks(engine, worker.pk) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_heirs_one_takes_a_hook(worker: Worker, engine: Engine) -> None:
    fail_for_good(worker)
    leasing.rescue(engine, worker.pk, gone=True)
    heirs = [make_worker(), make_worker()]
    with transaction.atomic():
        assert len(hooks.due_hooks(engine, heirs[0].pk)) == 1
        other = Other(lambda engine: hooks.due_hooks(engine, heirs[1].pk))
        other.wait_until_blocked()
    assert other.result() == []
