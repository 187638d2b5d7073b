"""Whoever is not, or no longer, the owner of a running attempt changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.lifecycle import finishing, leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.records import Claim, Outcome
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus

from .acting import begin, claim, claim_new, dispatch, fail, finish, outcome, stored

pytestmark = pytest.mark.django_db

KINDS = [AttemptStatus.COMPLETED, AttemptStatus.FAILED, AttemptStatus.RELEASED]


def rows() -> list[dict[str, Any]]:
    """Return all that is stored of jobs and attempts, what was measured apart."""
    jobs = [dict(row) for row in Job.objects.order_by("id").values()]
    kept = [field.attname for field in Attempt._meta.concrete_fields]
    names = [name for name in kept if name not in (*finishing.MEASURES, "pid")]
    return jobs + [dict(row) for row in Attempt.objects.order_by("id").values(*names)]


def lose(worker: Worker, one: Claim, engine: Engine) -> None:
    leasing.rescue(engine, worker.pk, gone=True)


def complete(worker: Worker, one: Claim, engine: Engine) -> None:
    finish(worker, one, AttemptStatus.COMPLETED)


def lose_and_run_elsewhere(worker: Worker, one: Claim, engine: Engine) -> None:
    lose(worker, one, engine)
    other = Worker.objects.exclude(pk=worker.pk).get()
    assert claim(other)[0].number == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [lose, complete, lose_and_run_elsewhere])
def test_an_outcome_that_comes_too_late_changes_nothing(
    before: Callable[..., None],
    kind: str,
    worker: Worker,
    other_worker: Worker,
    engine: Engine,
) -> None:
    one = claim_new(worker)
    before(worker, one, engine)
    stands = rows()
    assert finish(worker, one, kind) is None
    assert rows() == stands


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_of_another_worker_changes_nothing(
    kind: str, worker: Worker, other_worker: Worker
) -> None:
    one = claim_new(worker)
    stands = rows()
    assert finish(other_worker, one, kind, peak_rss=99) is None
    assert rows() == stands
    assert Attempt.objects.get().peak_rss is None


def test_a_start_that_comes_too_late_changes_nothing(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    lose(worker, one, engine)
    stands = rows()
    assert not begin(engine, worker, one, engine.now(), 1)
    assert rows() == stands


def test_a_start_told_by_another_worker_changes_nothing(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    assert not begin(engine, other_worker, one, engine.now(), 1)
    assert Attempt.objects.get().is_starting


def in_its_own_transaction(one: Claim, engine: Engine) -> Outcome:
    """Return the outcome of a job that completes itself: nothing has been measured yet."""
    return outcome(one, pid=None, cpu_seconds=None)


def test_what_a_late_outcome_measured_is_kept(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    finishing.finish(engine, worker.pk, [in_its_own_transaction(one, engine)])
    assert finish(worker, one, AttemptStatus.COMPLETED, peak_rss=9, output_bytes=5) is None
    attempt = Attempt.objects.get()
    assert (attempt.cpu_seconds, attempt.peak_rss, attempt.output_bytes) == (0.5, 9, 5)
    assert attempt.pid == 4711


def test_what_was_measured_first_stays(worker: Worker) -> None:
    one = claim_new(worker)
    finish(worker, one, AttemptStatus.COMPLETED, peak_rss=9)
    finish(worker, one, AttemptStatus.COMPLETED, cpu_seconds=7.0, peak_rss=1)
    attempt = Attempt.objects.get()
    assert (attempt.cpu_seconds, attempt.peak_rss) == (0.5, 9)


def test_a_job_that_completes_itself_keeps_the_process_it_was_handed_to(
    worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    begin(engine, worker, one, engine.now(), 1234)
    finishing.finish(engine, worker.pk, [in_its_own_transaction(one, engine)])
    assert Attempt.objects.get().pid == 1234


def test_of_a_batch_only_the_late_ones_are_refused(worker: Worker, engine: Engine) -> None:
    for _ in range(4):
        dispatch()
    claims = claim(worker, free=4)
    fail(worker, claims[0])
    finish(worker, claims[2], AttemptStatus.COMPLETED)
    settled = finishing.finish(engine, worker.pk, [outcome(one) for one in claims])
    assert [one is not None for one in settled] == [False, True, False, True]
    assert stored(claims[1].job_id).attempts_spent == 1
    assert stored(claims[2].job_id).attempts_spent == 1


def test_an_outcome_written_twice_counts_once(worker: Worker) -> None:
    one = claim_new(worker)
    assert fail(worker, one) is not None
    assert fail(worker, one) is None
    assert stored(one.job_id).attempts_spent == 1
