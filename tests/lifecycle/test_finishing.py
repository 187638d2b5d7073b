from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from jobs.lifecycle import changing, finishing
from jobs.lifecycle.engines import Engine
from jobs.models import Attempt, Job, Worker
from jobs.options import FARTHEST
from jobs.signals import attempt_finished
from jobs.states import AttemptStatus, JobStatus, Reason

from .acting import begin, claim, claim_new, dispatch, fail, finish, outcome, stored
from .job_classes import Plain, SaysGoodbye

pytestmark = pytest.mark.django_db

COMPLETED, FAILED = AttemptStatus.COMPLETED, AttemptStatus.FAILED
RELEASED, CANCELLED = AttemptStatus.RELEASED, AttemptStatus.CANCELLED
SHUTDOWN = {"reason": Reason.SHUTDOWN}
LOST = {"reason": Reason.WORKER_LOST}
POSTPONED = {"reason": Reason.POSTPONED, "delay": 5.0}

# what ended, the job before (spent of 3; interruptions, and up to one loss), job after, attempt after,
# spent, interruptions
TABLE: list[tuple[str, dict[str, Any], tuple[int, int], str, str, int, int]] = [
    (COMPLETED, {}, (0, 0), JobStatus.COMPLETED, COMPLETED, 1, 0),
    (COMPLETED, {}, (2, 7), JobStatus.COMPLETED, COMPLETED, 3, 7),
    (FAILED, {}, (0, 0), JobStatus.RETRYING, FAILED, 1, 0),
    (FAILED, {}, (1, 0), JobStatus.RETRYING, FAILED, 2, 0),
    (FAILED, {}, (2, 0), JobStatus.FAILED, FAILED, 3, 0),
    (FAILED, {"final": True}, (0, 0), JobStatus.FAILED, FAILED, 1, 0),
    (FAILED, {"reason": Reason.TIMEOUT}, (0, 0), JobStatus.RETRYING, FAILED, 1, 0),
    (FAILED, {"reason": Reason.SIGNAL}, (2, 0), JobStatus.FAILED, FAILED, 3, 0),
    (CANCELLED, {"reason": Reason.CANCELLED}, (0, 0), JobStatus.CANCELLED, CANCELLED, 0, 0),
    (RELEASED, POSTPONED, (2, 20), JobStatus.SCHEDULED, RELEASED, 2, 20),
    (RELEASED, SHUTDOWN, (2, 0), JobStatus.QUEUED, RELEASED, 2, 1),
    (RELEASED, SHUTDOWN, (2, 19), JobStatus.QUEUED, RELEASED, 2, 20),
    (RELEASED, SHUTDOWN, (0, 20), JobStatus.RETRYING, FAILED, 1, 20),
    (RELEASED, SHUTDOWN, (2, 20), JobStatus.FAILED, FAILED, 3, 20),
    (FAILED, LOST, (2, 0), JobStatus.QUEUED, RELEASED, 2, 1),
    (FAILED, LOST, (0, 1), JobStatus.RETRYING, FAILED, 1, 1),
    (FAILED, LOST, (2, 1), JobStatus.FAILED, FAILED, 3, 1),
    (RELEASED, {**LOST, "started_at": None}, (2, 0), JobStatus.QUEUED, RELEASED, 2, 1),
    (RELEASED, {**LOST, "started_at": None}, (2, 5), JobStatus.QUEUED, RELEASED, 2, 6),
    (FAILED, {"reason": Reason.LAUNCHER_LOST}, (0, 0), JobStatus.QUEUED, RELEASED, 0, 1),
    (FAILED, {"reason": Reason.LAUNCHER_LOST}, (2, 1), JobStatus.FAILED, FAILED, 3, 1),
]


def describe(value: Any) -> str:
    return str(value) or "-"


@pytest.mark.parametrize(
    ("ended", "how", "before", "job_status", "attempt_status", "spent", "interruptions"),
    TABLE,
    ids=describe,
)
def test_what_an_outcome_makes_of_a_job(
    ended: str,
    how: dict[str, Any],
    before: tuple[int, int],
    job_status: str,
    attempt_status: str,
    spent: int,
    interruptions: int,
    worker: Worker,
) -> None:
    one = claim_new(worker)
    Job.objects.filter(id=one.job_id).update(
        attempts_spent=before[0], interruptions=before[1], losses=min(before[1], 1)
    )
    settled = finish(worker, one, ended, **how)
    job, attempt = stored(one.job_id), Attempt.objects.get()
    assert (job.status, attempt.status) == (job_status, attempt_status)
    assert (job.attempts_spent, job.interruptions) == (spent, interruptions)
    assert (job.finished_at is None) == (not job.is_finished)
    assert settled is not None
    assert (settled.job_status, settled.attempt_status) == (job_status, attempt_status)


def test_a_completed_attempt_keeps_all_that_was_measured(worker: Worker, engine: Engine) -> None:
    one = claim_new(worker)
    told = outcome(
        one, exit_code=0, peak_rss=9, output_bytes=7, output_dropped=3, result='{"a": [1.5, null]}'
    )
    finishing.finish(engine, worker.pk, [told])
    attempt, job = Attempt.objects.get(), stored(one.job_id)
    for name in (*finishing.MEASURES, "pid", "started_at", "finished_at"):
        assert getattr(attempt, name) == getattr(told, name), name
    assert (job.started_at, job.finished_at) == (told.started_at, told.finished_at)
    assert job.result == {"a": [1.5, None]}


def test_a_failed_attempt_keeps_its_error_and_its_receipt(worker: Worker) -> None:
    one = claim_new(worker)
    receipt = {"why": "timeout", "steps": [{"signal": "TERM", "pids": [1]}]}
    fail(worker, one, receipt=receipt, signal=9, reason=Reason.TIMEOUT, peak_rss=5)
    attempt, job = Attempt.objects.get(), stored(one.job_id)
    assert (attempt.error_type, attempt.error_message) == ("ValueError", "no such thing")
    assert (attempt.traceback, attempt.receipt) == ("Traceback: …", receipt)
    assert (attempt.signal, attempt.reason, attempt.peak_rss) == (9, Reason.TIMEOUT, 5)
    assert (job.error_type, job.error_message) == ("ValueError", "no such thing")


def test_a_success_clears_the_error_of_the_job(worker: Worker) -> None:
    one = claim_new(worker)
    Job.objects.update(error_type="ValueError", error_message="an attempt before")
    finish(worker, one, COMPLETED)
    job = stored(one.job_id)
    assert (job.error_type, job.error_message) == ("", "")


def test_an_attempt_given_back_has_no_error(worker: Worker) -> None:
    one = claim_new(worker)
    fail(worker, one, **LOST)
    attempt, job = Attempt.objects.get(), stored(one.job_id)
    assert (attempt.error_type, attempt.error_message, job.error_type) == ("", "", "")
    assert attempt.reason == Reason.WORKER_LOST


def test_one_interruption_too_many_says_what_it_was(worker: Worker, settings: Any) -> None:
    settings.BACKGROUND_JOB_MAX_INTERRUPTIONS = 2
    one = claim_new(worker)
    Job.objects.update(interruptions=2)
    finish(worker, one, RELEASED, **SHUTDOWN)
    attempt, job = Attempt.objects.get(), stored(one.job_id)
    assert "given back 2 times before" in attempt.error_message
    assert attempt.error_type == job.error_type == "JobKilled"
    assert job.error_message == attempt.error_message


def test_a_long_error_is_cut_on_the_job_only(worker: Worker) -> None:
    one = claim_new(worker)
    fail(worker, one, error_type="E" * 300, error_message="ü" * 700)
    attempt, job = Attempt.objects.get(), stored(one.job_id)
    assert (job.error_message, attempt.error_message) == ("ü" * 500, "ü" * 700)
    assert job.error_type == attempt.error_type == "E" * 200


@pytest.mark.parametrize("reason", [Reason.EXCEPTION, Reason.TIMEOUT, Reason.WORKER_LOST])
def test_a_failure_after_a_cancel_is_never_retried(reason: str, worker: Worker) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    fail(worker, one, reason=reason)
    job = stored(one.job_id)
    assert (job.status, job.attempts_spent) == (JobStatus.CANCELLED, 0)
    assert Attempt.objects.get().reason == reason


@pytest.mark.parametrize("how", [SHUTDOWN, POSTPONED])
def test_an_attempt_given_back_after_a_cancel_ends_the_job(
    how: dict[str, Any], worker: Worker
) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    finish(worker, one, RELEASED, **how)
    assert stored(one.job_id).status == JobStatus.CANCELLED


def test_a_job_that_completes_before_its_cancel_took_effect_stays_completed(
    worker: Worker,
) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    finish(worker, one, COMPLETED)
    assert stored(one.job_id).status == JobStatus.COMPLETED


@pytest.mark.parametrize("delay", [0.0, 5.0, -3.0, math.inf, math.nan, 1e300])
@pytest.mark.parametrize("how", [{"status": RELEASED, **POSTPONED}, {"status": FAILED}])
def test_a_delay_is_kept_within_what_a_date_can_say(
    how: dict[str, Any], delay: float, worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    told = outcome(one, **(how | {"delay": delay}))
    finishing.finish(engine, worker.pk, [told])
    seconds = (stored(one.job_id).run_at - told.finished_at).total_seconds()
    assert seconds == {5.0: 5.0, math.inf: FARTHEST, 1e300: FARTHEST}.get(delay, 0.0)


def test_a_batch_of_all_kinds_is_answered_in_its_order(worker: Worker, engine: Engine) -> None:
    for _ in range(4):
        dispatch()
    claims = claim(worker, free=4)
    kinds = [FAILED, COMPLETED, RELEASED, COMPLETED]
    told = [outcome(one, kind) for one, kind in zip(claims, kinds, strict=True)][::-1]
    settled = finishing.finish(engine, worker.pk, told)
    assert [one and one.attempt_id for one in settled] == [one.attempt_id for one in told]
    assert [one and one.attempt_status for one in settled] == [one.status for one in told]


def test_failing_together_takes_few_statements(
    worker: Worker, engine: Engine, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        dispatch()
    told = [outcome(one, FAILED) for one in claim(worker, free=10)]
    with django_assert_max_num_queries(1 + 2 * 10 + 1 + 2):
        finishing.finish(engine, worker.pk, told)


def test_receivers_hear_of_the_end_after_the_commit(
    worker: Worker, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[dict[str, Any]] = []

    def hear(signal: object, **told: Any) -> None:
        heard.append(told)

    attempt_finished.connect(hear)
    try:
        one = claim_new(worker)
        with django_capture_on_commit_callbacks(execute=True):
            fail(worker, one)
            assert heard == []
    finally:
        attempt_finished.disconnect(hear)
    assert heard == [
        {
            "sender": Plain.job_name,
            "job_id": one.job_id,
            "attempt": 1,
            "status": FAILED,
            "reason": Reason.EXCEPTION,
            "job_status": JobStatus.RETRYING,
        }
    ]


def test_the_hook_is_due_after_the_last_attempt_only(worker: Worker) -> None:
    one = claim_new(worker, job_class=SaysGoodbye.job_name, max_attempts=2)
    settled = fail(worker, one)
    assert settled is not None
    assert not settled.runs_hook
    assert not Attempt.objects.get().hook_pending


def test_the_start_is_written_on_the_attempt_and_its_job(worker: Worker, engine: Engine) -> None:
    one, at = claim_new(worker), engine.now() - timedelta(seconds=1)
    assert begin(engine, worker, one, at, 4711)
    attempt = Attempt.objects.get()
    assert (attempt.started_at, attempt.pid, stored(one.job_id).started_at) == (at, 4711, at)
