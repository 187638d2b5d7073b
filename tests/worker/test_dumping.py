"""Asking a running attempt for its stacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jobs.lifecycle.dumping import ask_dump
from jobs.models import Attempt, AuditEntry, Job
from jobs.states import JobStatus

from ..factories import make_user
from ..waiting import DEADLINE, wait_until
from . import watched_jobs as watched
from .conftest import StartWorker, finished, only_attempt

pytestmark = [pytest.mark.usefixtures("live_database"), pytest.mark.once]


def speaking(job: Job) -> Attempt:
    """Wait until a job has printed something, and its start is recorded."""

    def look() -> bool:
        return any(one.output and one.started_at for one in job.attempts.all())

    wait_until(look, DEADLINE, "output")
    return only_attempt(job)


def dumped(job: Job, text: str) -> Attempt:
    """Ask for the stacks of a job as soon as it has printed something, and wait for `text`."""
    attempt = speaking(job)
    assert ask_dump(attempt, by=make_user(username="ana"))
    wait_until(lambda: text in attempt.output, DEADLINE, lambda: f"{text} in {attempt.output!r}")
    return attempt


def test_the_stacks_of_all_threads_land_in_the_output(worker: StartWorker) -> None:
    job = watched.Waits(seconds=4.0).dispatch()
    worker()
    attempt = dumped(job, "wait_in_main")
    assert "wait_in_thread" in attempt.output
    assert "The stacks of all threads, asked for by ana:\n" in attempt.output
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING
    entry = AuditEntry.objects.get(job=job)
    assert (entry.action, entry.actor_name, entry.status) == ("dump", "ana", "running")


def test_the_job_goes_on_undisturbed(worker: StartWorker) -> None:
    job = watched.Waits(seconds=4.0).dispatch()
    worker()
    attempt = dumped(job, "wait_in_main")
    assert finished(job).result == "undisturbed"
    assert attempt.output.count("The stacks of all threads") == 1


def test_it_works_in_c_code_that_holds_the_interpreters_lock(worker: StartWorker) -> None:
    job = watched.HoldsLock().dispatch()
    worker()
    dumped(job, "in handle")
    job.cancel()
    finished(job)


def test_a_job_without_the_handler_is_not_ended_by_the_question(worker: StartWorker) -> None:
    job = watched.DropsHandler().dispatch()
    worker()
    dumped(job, "No stacks, asked for by ana: the job has removed the handler of signal")
    assert finished(job).result == "undisturbed"


def test_a_process_whose_handler_was_replaced_runs_no_other_job(
    burst: Callable[..., object],
) -> None:
    first = watched.TakesHandler().dispatch()
    second = watched.TakesHandler().dispatch()
    burst("--concurrency", "1")
    assert only_attempt(first).pid != only_attempt(second).pid


def test_an_attempt_that_has_ended_is_not_asked(burst: Callable[..., object]) -> None:
    job = watched.TakesHandler().dispatch()
    burst()
    assert not ask_dump(only_attempt(job))
    assert not AuditEntry.objects.exists()


def test_a_second_request_waits_for_the_answer_to_the_first(worker: StartWorker) -> None:
    job = watched.Waits(seconds=30.0).dispatch()
    process = worker()
    attempt = speaking(job)
    process.stop()
    assert ask_dump(attempt)
    assert not ask_dump(attempt)
    assert AuditEntry.objects.count() == 1
