"""`retry`, `cancel` and `execute`: what they do, and the one sentence for what they cannot."""

from __future__ import annotations

import pytest
from django.core.management import BaseCommand, CommandError, call_command

from jobs import registry
from jobs.management.commands import cancel, retry
from jobs.models import AuditEntry, Job
from jobs.states import AttemptStatus, JobStatus

from .. import sample_jobs as sample
from ..factories import make_job
from .conftest import StartWorker, finished, only_attempt

pytestmark = [pytest.mark.usefixtures("live_database"), pytest.mark.once]


@pytest.fixture
def failed_job(burst: StartWorker) -> Job:
    job = sample.GivesUp().dispatch()
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    return job


def test_retry_queues_a_failed_job_and_says_that_no_worker_runs(
    failed_job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("retry", str(failed_job.pk))
    printed = capsys.readouterr().out
    assert f"Job {failed_job.pk} (tests.GivesUp) is queued." in printed
    assert "No worker is running that could take it" in printed
    failed_job.refresh_from_db()
    assert failed_job.status == JobStatus.QUEUED


def test_retry_runs_the_job_at_once_where_a_worker_runs(
    failed_job: Job, worker: StartWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker()
    finished(sample.Returns().dispatch())
    call_command("retry", str(failed_job.pk))
    assert "No worker" not in capsys.readouterr().out
    finished(failed_job)
    assert failed_job.attempts.count() == 2


def test_retry_by_command_is_audited(failed_job: Job) -> None:
    call_command("retry", str(failed_job.pk))
    entry = AuditEntry.objects.get(job=failed_job)
    assert (entry.action, entry.status, entry.actor_name) == ("retry", JobStatus.FAILED, "")


def test_retry_refuses_a_job_that_has_not_failed(capsys: pytest.CaptureFixture[str]) -> None:
    job = sample.Returns().dispatch()
    with pytest.raises(CommandError, match="1 of 1 jobs were not retried"):
        call_command("retry", str(job.pk))
    expected = f"Job {job.pk} is queued: only a failed or cancelled job can be retried."
    assert expected in capsys.readouterr().err


def test_cancel_cancels_a_waiting_job(capsys: pytest.CaptureFixture[str]) -> None:
    job = sample.Returns().dispatch(delay=3600)
    call_command("cancel", str(job.pk))
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert f"Job {job.pk} (tests.Returns) is cancelled." in capsys.readouterr().out


def test_cancel_refuses_a_finished_job(failed_job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="1 of 1 jobs were not cancelled"):
        call_command("cancel", str(failed_job.pk))
    assert "there is nothing to cancel" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["retry", "cancel", "execute"])
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("4242", "there is no job 4242"),
        ("many", "'many' is not a job id: give a whole number such as 42"),
        ("-1", "'-1' is not a job id"),
        ("1e3", "'1e3' is not a job id"),
        ("٣", "is not a job id"),
        ("9" * 5000, "is not a job id"),
    ],
)
def test_an_impossible_id_is_refused_in_a_sentence(command: str, text: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command(command, "--", text)


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        (retry.Command, JobStatus.FAILED, JobStatus.QUEUED),
        (cancel.Command, JobStatus.QUEUED, JobStatus.CANCELLED),
    ],
)
def test_the_broken_jobs_module_of_an_app_keeps_no_job_from_being_retried_or_cancelled(
    command: type[BaseCommand], before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.import_errors, "shop.jobs", "ImportError: no paper")
    job = make_job(before)
    # As `manage.py` calls it: with its system checks.
    words = command().create_parser("manage.py", "it").parse_args([str(job.pk)])
    command().execute(**vars(words))
    job.refresh_from_db()
    assert job.status == after


def test_execute_runs_one_job_here_and_shows_its_output(command: StartWorker) -> None:
    job, other = sample.Says().dispatch(), sample.Returns().dispatch()
    process = command("execute", str(job.pk))
    assert process.ended() == 0, process.output()
    assert "by print\n" in process.output()
    assert f"Job {job.pk} (tests.Says) is completed." in process.output()
    attempt = only_attempt(job)
    assert attempt.status == AttemptStatus.COMPLETED
    assert "by print\n" in attempt.output
    other.refresh_from_db()
    assert other.status == JobStatus.QUEUED


def test_execute_runs_a_job_that_is_not_due_yet(command: StartWorker) -> None:
    job = sample.Returns(value=1).dispatch(delay=3600)
    assert command("execute", str(job.pk)).ended() == 0
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


def test_execute_of_a_failing_job_exits_with_its_error(command: StartWorker) -> None:
    job = sample.Raises(message="no luck").dispatch()
    process = command("execute", str(job.pk))
    assert process.ended() == 1
    assert f"Job {job.pk} is " in process.output()
    assert "ValueError: no luck" in process.output()


def test_execute_refuses_a_job_that_does_not_wait(command: StartWorker, failed_job: Job) -> None:
    process = command("execute", str(failed_job.pk))
    assert process.ended() == 1
    assert f"`manage.py retry {failed_job.pk}` queues it again" in process.output()
    assert failed_job.attempts.count() == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--concurrency", "0"), "'0' is not a whole number of 1 or more"),
        (("--concurrency", "two"), "'two' is not a whole number of 1 or more"),
        (("--queues", "mail,,x"), "is not a list of queue names such as mail,default"),
        (("--queues", "x" * 101), "is not a list of queue names such as mail,default"),
    ],
)
def test_runworker_refuses_impossible_options(
    command: StartWorker, arguments: tuple[str, ...], sentence: str
) -> None:
    process = command("runworker", *arguments)
    assert process.ended() == 2
    assert sentence in process.output()
