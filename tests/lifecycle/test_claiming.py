from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from jobs.lifecycle import claiming, dispatching
from jobs.lifecycle.engines import Engine
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus, WorkerStatus
from tests.factories import make_worker

from .acting import claim, dispatch, spec, stored
from .job_classes import Brisk, Plain

pytestmark = pytest.mark.django_db


def ids(claims: list[Any]) -> list[int]:
    return [one.job_id for one in claims]


def test_a_claimed_job_is_running_and_has_an_attempt(worker: Worker) -> None:
    job = dispatch()
    [one] = claim(worker)
    job.refresh_from_db()
    attempt = job.attempts.get()
    assert (job.status, job.attempts_made, job.started_at) == (JobStatus.RUNNING, 1, None)
    assert (attempt.pk, attempt.number, attempt.worker_id) == (one.attempt_id, 1, worker.pk)
    assert attempt.status == AttemptStatus.RUNNING
    assert attempt.is_starting
    assert (job.attempts_spent, one.attempts_spent) == (0, 0)


def test_a_claim_tells_all_that_a_worker_needs(worker: Worker) -> None:
    job = dispatch(queue="mail", priority=3, arguments={"number": 5}, max_attempts=8)
    [one] = claim(worker, queues=["mail"])
    assert one._asdict() == {
        "attempt_id": Attempt.objects.get().pk,
        "job_id": job.pk,
        "number": 1,
        "job_class": Plain.job_name,
        "queue": "mail",
        "priority": 3,
        "run_at": job.run_at,
        "arguments": one.arguments,
        "attempts_spent": 0,
        "max_attempts": 8,
        "interruptions": 0,
        "losses": None,
    }
    assert one.arguments.replace(" ", "") == '{"number":5}'


def test_a_job_claimed_by_its_id_is_told_in_the_same_way(worker: Worker, engine: Engine) -> None:
    first, second = dispatch(), dispatch()
    [one] = claim(worker)
    other = claiming.claim_job(engine, worker.pk, second.pk)
    assert other is not None
    assert ids([one]) == [first.pk]
    assert (
        other._replace(
            attempt_id=one.attempt_id, job_id=one.job_id, run_at=one.run_at, arguments=one.arguments
        )
        == one
    )
    assert other.arguments.replace(" ", "") == one.arguments.replace(" ", "")


def test_the_best_come_first_by_priority_then_due_time_then_id(
    worker: Worker, engine: Engine
) -> None:
    now = engine.now()
    later = dispatch(run_at=now - timedelta(seconds=1))
    earlier = dispatch(run_at=now - timedelta(seconds=9))
    urgent = dispatch(priority=5, run_at=now)
    lazy = dispatch(priority=-5, run_at=now - timedelta(days=1))
    same = [dispatch(run_at=now - timedelta(seconds=5)) for _ in range(2)]
    best = [urgent.pk, earlier.pk, same[0].pk, same[1].pk, later.pk, lazy.pk]
    assert ids(claim(worker, free=4)) == best[:4]
    assert ids(claim(worker, free=4)) == best[4:]


def test_a_whole_second_comes_before_its_fractions(worker: Worker, engine: Engine) -> None:
    whole = (engine.now() - timedelta(seconds=9)).replace(microsecond=0)
    after = dispatch(run_at=whole + timedelta(microseconds=1))
    before = dispatch(run_at=whole)
    assert ids(claim(worker, free=2)) == [before.pk, after.pk]


def test_several_queues_are_served_as_one(worker: Worker) -> None:
    jobs = [dispatch(queue=queue, priority=p) for queue, p in (("a", 1), ("b", 3), ("a", 2))]
    dispatch(queue="c", priority=9)
    assert ids(claim(worker, free=9, queues=["a", "b"])) == [jobs[1].pk, jobs[2].pk, jobs[0].pk]


def test_no_queues_are_no_jobs(worker: Worker) -> None:
    dispatch()
    assert claim(worker, queues=[]) == []


def test_no_more_are_claimed_than_are_free(worker: Worker) -> None:
    for _ in range(3):
        dispatch()
    assert len(claim(worker, free=2)) == 2
    assert Job.objects.filter(status=JobStatus.QUEUED).count() == 1


def test_only_quick_classes_are_claimed_ahead(worker: Worker) -> None:
    first = dispatch()
    dispatch()
    brisk = dispatch(job_class=Brisk.job_name)
    quick = [Brisk.job_name]
    assert ids(claim(worker, free=1, ahead=5, quick=quick)) == [first.pk, brisk.pk]


def test_no_more_are_claimed_ahead_than_asked(worker: Worker) -> None:
    for _ in range(5):
        dispatch(job_class=Brisk.job_name)
    assert len(claim(worker, free=1, ahead=2, quick=[Brisk.job_name])) == 3


def test_a_worker_without_a_free_process_claims_ahead_only(worker: Worker) -> None:
    dispatch()
    brisk = dispatch(job_class=Brisk.job_name)
    assert ids(claim(worker, free=0, ahead=5, quick=[Brisk.job_name])) == [brisk.pk]


def test_nothing_is_claimed_ahead_while_no_class_is_quick(worker: Worker) -> None:
    dispatch()
    assert claim(worker, free=0, ahead=5) == []


@pytest.mark.parametrize("status", [one for one in JobStatus if one != JobStatus.QUEUED])
def test_only_queued_jobs_are_claimed(status: str, worker: Worker, engine: Engine) -> None:
    job = dispatch()
    final = status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    Job.objects.filter(id=job.pk).update(status=status, finished_at=engine.now() if final else None)
    assert claim(worker) == []
    assert claiming.claim_job(engine, worker.pk, job.pk) is None


@pytest.mark.parametrize("status", [WorkerStatus.LOST, WorkerStatus.STOPPED])
def test_a_worker_that_is_not_live_claims_nothing(status: str, db: None, engine: Engine) -> None:
    dead = make_worker(status=status)
    job = dispatch()
    assert claim(dead) == []
    assert claiming.claim_job(engine, dead.pk, job.pk) is None
    assert stored(job.pk).status == JobStatus.QUEUED


def test_attempts_are_numbered_on(worker: Worker) -> None:
    job = dispatch()
    Job.objects.filter(id=job.pk).update(attempts_made=4)
    assert claim(worker)[0].number == 5


def test_a_job_that_was_interrupted_counts_as_started_at_once(
    worker: Worker, engine: Engine
) -> None:
    for _ in range(2):
        dispatch()
    Job.objects.update(interruptions=1)
    [one] = claim(worker)
    other = Job.objects.get(status=JobStatus.QUEUED)
    claiming.claim_job(engine, worker.pk, other.pk)
    assert one.interruptions == 1
    for attempt in Attempt.objects.all():
        assert attempt.started_at == attempt.claimed_at


def test_a_claim_takes_few_statements_however_many_jobs(
    worker: Worker, django_assert_max_num_queries: Any
) -> None:
    for _ in range(50):
        dispatch()
    # MySQL has no UPDATE … RETURNING: it locks and reads first.
    with django_assert_max_num_queries(4 if connection.vendor == "mysql" else 2):
        assert len(claim(worker, free=50)) == 50


MANY = [f"q{number:04}" for number in range(1200)]


def test_more_queues_than_a_statement_takes_are_all_served(worker: Worker) -> None:
    dispatching.dispatch([spec(queue=name) for name in MANY])
    assert {one.queue for one in claim(worker, free=1300, queues=MANY)} == set(MANY)


def test_of_very_many_queues_no_more_is_taken_than_asked_for(worker: Worker) -> None:
    dispatching.dispatch([spec(queue=name) for name in MANY])
    assert len(claim(worker, free=5, queues=MANY)) == 5


def test_the_only_due_job_is_found_in_whichever_of_many_queues_it_is(worker: Worker) -> None:
    for name in (MANY[0], MANY[600], MANY[-1]):
        dispatch(queue=name)
        assert [one.queue for one in claim(worker, free=2, queues=MANY)] == [name]


def test_of_many_queues_the_best_come_first(worker: Worker) -> None:
    for priority, name in enumerate(MANY[::300]):
        dispatch(queue=name, priority=priority)
    priorities = [one.priority for one in claim(worker, free=10, queues=MANY)]
    assert priorities == [3, 2, 1, 0]


def test_unknown_classes_in_many_queues_are_put_off(worker: Worker) -> None:
    dispatching.dispatch([spec(queue=name, job_class="shop.Gone") for name in MANY[::100]])
    assert claim(worker, free=2, queues=MANY) == []
    assert not Job.objects.filter(status=JobStatus.RUNNING).exists()


def test_queues_with_due_jobs_are_found(engine: Engine) -> None:
    for queue in ("b", "a", "b", "c"):
        dispatch(queue=queue)
    dispatch(queue="later", delay=60)
    assert engine.due_queues() == ["a", "b", "c"]


def test_no_queue_is_due_where_nothing_is(engine: Engine) -> None:
    assert engine.due_queues() == []
