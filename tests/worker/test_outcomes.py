"""What becomes of attempts, one way of ending after the other."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.models import Job, Queue
from jobs.states import AttemptStatus, JobStatus, Reason

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from .conftest import only_attempt

pytestmark = pytest.mark.usefixtures("live_database")
Burst = Callable[..., object]


def test_a_job_that_returns_is_completed_with_its_result(burst: Burst) -> None:
    job = sample.Returns(value={"n": [1, 2.5, "ü"]}).dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"n": [1, 2.5, "ü"]})
    assert job.attempts_spent == 1
    attempt = only_attempt(job)
    assert attempt.status == AttemptStatus.COMPLETED
    assert attempt.started_at is not None
    assert attempt.finished_at is not None
    assert attempt.claimed_at <= attempt.finished_at
    assert (attempt.exit_code, attempt.signal) == (None, None)


def test_what_a_job_dispatches_tells_which_job_it_was(burst: Burst) -> None:
    job = sample.DispatchesAnother().dispatch()
    unrelated = sample.Returns(value=1).dispatch()
    burst()
    first, second = Job.objects.filter(parent_id=job.pk).order_by("pk")
    assert (first.arguments["value"], second.arguments["value"]) == (
        "from handle()",
        "from failed()",
    )
    origin = dict(first.origin or {})
    assert origin["job_class"] == "tests.DispatchesAnother"
    assert origin["code"].startswith("tests.sample_jobs.DispatchesAnother.handle:")
    assert {one.status for one in (first, second)} == {JobStatus.COMPLETED}
    assert unrelated.parent_id is None


def test_an_exception_is_kept_with_its_traceback_and_retried(burst: Burst) -> None:
    job = sample.Raises(message="bad luck").dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.attempts.count()) == (JobStatus.FAILED, 2)
    first = job.attempts.get(number=1)
    assert (first.status, first.reason) == (AttemptStatus.FAILED, Reason.EXCEPTION)
    assert (first.error_type, first.error_message) == ("ValueError", "bad luck")
    assert "raise ValueError(self.message)" in first.traceback
    assert "runner.py" not in first.traceback


def test_a_job_that_fails_twice_completes_in_its_third_attempt(worker: Burst) -> None:
    from .conftest import finished

    job = sample.FailsUntil(attempt_that_works=3).dispatch()
    worker()
    assert finished(job).result == 3
    statuses = list(job.attempts.order_by("number").values_list("status", flat=True))
    assert statuses == [AttemptStatus.FAILED, AttemptStatus.FAILED, AttemptStatus.COMPLETED]
    assert job.error_type == ""


def test_the_jobs_own_method_chooses_the_delay(burst: Burst) -> None:
    job = sample.ChoosesDelay().dispatch()
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.RETRYING
    finished_at = only_attempt(job).finished_at
    assert finished_at is not None
    assert (job.run_at - finished_at).total_seconds() == pytest.approx(1008.0)


@pytest.mark.once
def test_a_segfault_costs_one_attempt_and_leaves_its_dump(burst: Burst) -> None:
    job, other = unruly.Segfaults().dispatch(), sample.Returns(value=1).dispatch()
    burst()
    job.refresh_from_db()
    other.refresh_from_db()
    attempt = only_attempt(job)
    assert (job.status, other.status) == (JobStatus.FAILED, JobStatus.COMPLETED)
    assert (attempt.reason, attempt.signal) == (Reason.SIGNAL, signal.SIGSEGV)
    assert attempt.exit_code is None
    assert "SIGSEGV" in attempt.error_message
    assert "Segmentation fault" in attempt.output


@pytest.mark.once
@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_exits_without_an_outcome_has_failed(burst: Burst, code: int) -> None:
    job = unruly.Exits(code=code).dispatch()
    burst()
    attempt = only_attempt(job)
    assert (attempt.status, attempt.reason) == (AttemptStatus.FAILED, Reason.EXITED)
    assert (attempt.exit_code, attempt.signal) == (code, None)
    assert f"exited with code {code}" in attempt.error_message


@pytest.mark.once
def test_sys_exit_is_an_exception_like_any_other(burst: Burst) -> None:
    job = unruly.ExitsPolitely().dispatch()
    burst()
    attempt = only_attempt(job)
    assert (attempt.reason, attempt.error_type) == (Reason.EXCEPTION, "SystemExit")


@pytest.mark.once
def test_a_job_over_its_memory_limit_is_killed(burst: Burst) -> None:
    job = unruly.Grows().dispatch()
    burst()
    attempt = only_attempt(job)
    assert (attempt.status, attempt.reason) == (AttemptStatus.FAILED, Reason.MEMORY)
    assert attempt.peak_rss is not None
    assert attempt.peak_rss > unruly.Grows.memory_limit
    assert "its limit is 200 MiB" in attempt.error_message


@pytest.mark.once
def test_cpu_time_and_peak_memory_are_measured(burst: Burst) -> None:
    job = unruly.Burns().dispatch()
    burst()
    attempt = only_attempt(job)
    assert attempt.cpu_seconds == pytest.approx(1.0, abs=0.6)
    assert attempt.peak_rss is not None
    assert attempt.peak_rss > 100 * sample.MIB


@pytest.mark.once
def test_the_peak_is_that_of_the_attempt_not_of_its_process(burst: Burst) -> None:
    unruly.Burns().dispatch(priority=10)
    small = sample.Returns().dispatch()
    burst("--concurrency", "1")
    attempt = only_attempt(small)
    assert attempt.peak_rss is not None
    assert attempt.peak_rss < 100 * sample.MIB


def test_a_job_can_ask_to_run_later_without_spending_an_attempt(burst: Burst) -> None:
    job = sample.Postpones().dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.attempts_spent) == (JobStatus.SCHEDULED, 0)
    attempt = only_attempt(job)
    assert (attempt.status, attempt.reason) == (AttemptStatus.RELEASED, Reason.POSTPONED)
    assert attempt.finished_at is not None
    assert (job.run_at - attempt.finished_at).total_seconds() == pytest.approx(3600)


def test_a_job_can_give_up_for_good(burst: Burst) -> None:
    job = sample.GivesUp().dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.error_message) == (JobStatus.FAILED, "no use")
    assert only_attempt(job).reason == Reason.GAVE_UP


@pytest.mark.once
def test_a_result_that_is_not_json_fails_the_job_once(burst: Burst) -> None:
    job = sample.ReturnsObject().dispatch()
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert only_attempt(job).reason == Reason.RESULT


@pytest.mark.once
def test_arguments_that_no_longer_fit_fail_the_job_once(burst: Burst) -> None:
    job = sample.Notes(log="x").dispatch()
    Job.objects.filter(pk=job.pk).update(arguments={"seconds": "soon"})
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert only_attempt(job).reason == Reason.ARGUMENTS


def test_the_last_progress_is_kept(burst: Burst) -> None:
    job = sample.Progresses().dispatch()
    burst()
    job.refresh_from_db()
    assert job.progress == {"done": 10, "total": 10, "message": "step 10"}


@pytest.mark.once
def test_a_job_knows_itself_and_runs_in_the_main_thread(burst: Burst) -> None:
    job = sample.Identifies().dispatch()
    burst()
    job.refresh_from_db()
    key = f"job-{job.pk}"
    assert job.result == {"job_id": job.pk, "attempt": 1, "key": key, "main": True}


def test_handle_may_be_a_coroutine_that_uses_the_orm(burst: Burst) -> None:
    job = sample.AsyncReturns().dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.result) == (JobStatus.COMPLETED, Queue.objects.count())


def test_writes_and_success_are_committed_together(burst: Burst) -> None:
    job = sample.CompletesInTransaction(name="once").dispatch()
    burst()
    job.refresh_from_db()
    assert (job.status, job.result) == (JobStatus.COMPLETED, {"entered": "once"})
    assert Queue.objects.filter(name="once").exists()
    assert only_attempt(job).cpu_seconds is not None


def test_a_death_after_completing_in_a_transaction_changes_nothing(burst: Burst) -> None:
    job = sample.CompletesInTransaction(name="once", then="die").dispatch()
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    attempt = only_attempt(job)
    assert (attempt.status, attempt.signal) == (AttemptStatus.COMPLETED, signal.SIGKILL)


def test_what_a_failed_job_wrote_in_its_transaction_is_rolled_back(burst: Burst) -> None:
    job = sample.WritesInTransaction().dispatch()
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert not Queue.objects.filter(name="rolled back").exists()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("raise", "ValueError: no luck; same process: True"),
        pytest.param("die", "JobKilled: its process was killed by SIGKILL", marks=pytest.mark.once),
    ],
)
def test_failed_runs_once_after_the_last_attempt(
    worker: Burst, tmp_path: Path, how: str, expected: str
) -> None:
    from ..waiting import wait_until
    from .conftest import finished, lines_of, terminate

    log = tmp_path / "log"
    job = sample.WorksThenFails(log=str(log), how=how).dispatch()
    process = worker()
    finished(job)
    wait_until(lambda: not job.attempts.filter(hook_pending=True).exists(), message="hook")
    (line,) = lines_of(log, 1)
    assert line.startswith(expected)
    last = job.attempts.get(number=2)
    assert "cleaning up" in last.output
    assert last.status == AttemptStatus.FAILED
    terminate(process)  # type: ignore[arg-type]
