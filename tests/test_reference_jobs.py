"""The sample jobs, run by a real worker: each ends as its description says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.models import Attempt, Job
from jobs.states import JobStatus, Reason
from jobsystem import jobs as reference
from jobsystem.models import Contact
from jobsystem.samples import CONTACTS, dispatch_samples

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent

LIST = "name,email\nAda Lovelace,ada@example.com\nNobody,\nAda King, ADA@example.com \n"


@pytest.fixture
def run_worker(database_env: dict[str, str]):
    """Run a worker until nothing is due any more, with the settings given."""

    def run(**settings: str) -> None:
        variables = {f"BACKGROUND_JOB_{name}": value for name, value in settings.items()}
        finished = subprocess.run(
            [sys.executable, "manage.py", "runworker", "--burst", "--concurrency=2"],
            cwd=ROOT,
            env={**database_env, **variables},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert finished.returncode == 0, finished.stderr

    return run


def make_due(job: Job) -> None:
    """Let the time that its next attempt has to wait have passed."""
    Job.objects.filter(pk=job.pk).update(run_at=job.created_at)
    job.refresh_from_db()


def last_attempt(job: Job) -> Attempt:
    job.refresh_from_db()
    return job.attempts.latest("number")


def test_contacts_are_imported_and_bad_rows_reported(run_worker) -> None:
    job = reference.ImportContacts(csv_text=LIST).dispatch()
    run_worker()
    assert last_attempt(job).traceback == ""
    assert job.status == JobStatus.COMPLETED
    assert job.result == {"stored": 1, "rejected": ["row 2: Enter a valid email address. ('')"]}
    assert job.progress == {"done": 3, "total": 3, "message": "rows checked"}
    assert [str(contact) for contact in Contact.objects.all()] == ["Ada King <ada@example.com>"]


def test_importing_the_same_list_twice_stores_nothing_twice(run_worker) -> None:
    text = CONTACTS.read_text(encoding="utf-8")
    jobs = [reference.ImportContacts(csv_text=text).dispatch() for _ in range(2)]
    run_worker()
    for job in jobs:
        job.refresh_from_db()
        assert job.status == JobStatus.COMPLETED
        assert job.result is not None
        assert (job.result["stored"], len(job.result["rejected"])) == (240, 3)
    assert Contact.objects.count() == 240


def test_a_newer_list_renames_a_contact_it_knows(run_worker) -> None:
    Contact.objects.create(email="ada@example.com", name="Ada Lovelace")
    reference.ImportContacts(csv_text=LIST).dispatch()
    run_worker()
    assert Contact.objects.get().name == "Ada King"


def test_a_list_without_its_columns_fails_at_the_first_attempt(run_worker) -> None:
    job = reference.ImportContacts(csv_text="phone\n555\n").dispatch()
    run_worker()
    assert last_attempt(job).number == 1
    assert job.status == JobStatus.FAILED
    assert "name and email" in job.error_message


def test_a_job_that_dispatches_others_is_where_they_came_from(run_worker) -> None:
    job = reference.RemindAll(names=["Ada", "Grace"]).dispatch()
    assert job.tags == ("reminders", "for:Ada", "for:Grace")
    run_worker()
    job.refresh_from_db()
    assert job.result == 2
    reminders = Job.objects.filter(parent_id=job.pk).order_by("pk")
    assert [one.result for one in reminders] == ["write to Ada", "write to Grace"]
    assert {one.tags for one in reminders} == {("reminders",)}


def test_a_flaky_job_succeeds_at_its_third_attempt(run_worker) -> None:
    job = reference.FlakyJob().dispatch()
    for _ in range(3):
        run_worker()
        make_due(job)
    assert job.status == JobStatus.COMPLETED
    assert job.result == "answered at attempt 3"
    assert job.attempts.filter(error_type__endswith="ConnectionError").count() == 2


def test_a_job_that_always_fails_ends_as_failed_and_says_so_once(run_worker) -> None:
    job = reference.AlwaysFails(reason="by design").dispatch()
    for _ in range(2):
        run_worker()
        make_due(job)
    assert (job.status, job.attempts_spent, job.error_message) == ("failed", 2, "by design")
    assert "Giving up" in job.attempts.get(number=2).output
    assert "Giving up" not in job.attempts.get(number=1).output


def test_a_long_job_reports_how_far_it_is(run_worker) -> None:
    job = reference.LongJob(seconds=2).dispatch()
    run_worker()
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    assert job.progress == {"done": 2, "total": 2, "message": "seconds worked"}


def test_everything_a_chatty_job_writes_is_kept_with_its_source(run_worker) -> None:
    job = reference.ChattyJob(lines=3).dispatch()
    run_worker()
    lines = last_attempt(job).lines
    assert {line.source for line in lines} >= {"out", "err", "info", "warning", "error"}
    text = "".join(line.text for line in lines)
    assert "line 3 of 3 on standard output" in text
    assert "and this is a child program" in text


def test_a_memory_hog_is_ended_by_its_limit(run_worker) -> None:
    job = reference.MemoryHog().dispatch()
    run_worker()
    attempt = last_attempt(job)
    assert (job.status, attempt.reason) == (JobStatus.FAILED, Reason.MEMORY)
    assert (attempt.peak_rss or 0) > reference.MemoryHog.memory_limit


def test_a_segfault_costs_one_attempt_and_names_its_signal(run_worker) -> None:
    crash, other = reference.Segfaults().dispatch(), reference.LongJob(seconds=1).dispatch()
    run_worker()
    attempt = last_attempt(crash)
    assert (crash.status, attempt.reason, attempt.signal) == ("failed", Reason.SIGNAL, 11)
    other.refresh_from_db()
    assert other.status == JobStatus.COMPLETED


def test_the_samples_begin_in_the_states_the_demo_is_to_show(live_database: None) -> None:
    jobs = dispatch_samples()
    statuses = [Job.objects.get(pk=job.pk).status for job in jobs]
    assert set(statuses) == {JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.CANCELLED}
    assert {job.job_class for job in jobs} == {
        f"jobsystem.{name}"
        for name, value in vars(reference).items()
        if isinstance(value, type) and value.__module__ == reference.__name__
    }
