"""Workers under conditions that are not theirs to choose: they say so, and go on."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs.lifecycle import dispatching
from jobs.lifecycle.records import JobSpec
from jobs.models import Job, JobClass, Queue
from jobs.states import JobStatus

from .. import sample_jobs as sample
from ..pgbouncer import not_through_it
from ..waiting import wait_until
from .conftest import StartWorker, end_other_connections, finished, lines_of

pytestmark = pytest.mark.usefixtures("live_database")


def rename(job: Job, name: str) -> None:
    """Make a job look as if its class had been removed since."""
    Job.objects.filter(pk=job.pk).update(job_class=name)


def test_a_job_of_a_class_that_is_gone_waits_and_stops_nobody(burst: StartWorker) -> None:
    lost, good = sample.Returns().dispatch(priority=5), sample.Returns().dispatch()
    rename(lost, "tests.Gone")
    burst()
    lost.refresh_from_db()
    good.refresh_from_db()
    assert good.status == JobStatus.COMPLETED
    assert (lost.status, lost.attempts_spent) == (JobStatus.SCHEDULED, 0)
    assert lost.error_message == "no job class 'tests.Gone' is registered"
    assert lost.unresolved_since is not None
    assert not lost.attempts.exists()


def test_it_fails_after_a_day_and_says_why(burst: StartWorker) -> None:
    job = sample.Returns().dispatch()
    rename(job, "tests.Gone")
    since = timezone.now() - timedelta(days=1, minutes=1)
    Job.objects.filter(pk=job.pk).update(unresolved_since=since)
    burst()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert job.error_message.startswith(
        "no job class 'tests.Gone' is registered, nor was one within"
    )


@pytest.mark.once
def test_a_jobs_module_that_cannot_be_imported_is_named_and_the_rest_goes_on(
    command: StartWorker, database_env: dict[str, str], tmp_path: Path
) -> None:
    package = tmp_path / "brokenapp"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "jobs.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "broken_settings.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'brokenapp']\n"
    )
    database_env["DJANGO_SETTINGS_MODULE"] = "broken_settings"
    database_env["PYTHONPATH"] = str(tmp_path)
    job = sample.Returns().dispatch()
    process = command("runworker", "--burst")
    assert process.ended() == 0
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED
    assert "brokenapp.jobs" in process.output()
    assert "nothing_of_that_name" in process.output()


@pytest.mark.once
def test_a_worker_refuses_a_sqlite_database_it_would_lose_writes_in(
    command: StartWorker, database_env: dict[str, str], tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("about the settings of SQLite")
    (tmp_path / "plain_settings.py").write_text(
        "from tests.settings import *\nDATABASES['default']['OPTIONS'] = {'timeout': 20}\n"
    )
    database_env["DJANGO_SETTINGS_MODULE"] = "plain_settings"
    database_env["PYTHONPATH"] = str(tmp_path)
    process = command("runworker", "--burst")
    assert process.ended() == 1
    assert "the worker does not start" in process.output()
    assert '"transaction_mode": "IMMEDIATE"' in process.output()


@pytest.mark.once
def test_a_worker_refuses_a_bad_setting_by_name(command: StartWorker) -> None:
    process = command("runworker", "--burst", MAX_ATTEMPTS="many")
    assert process.ended() == 1
    assert "BACKGROUND_JOB_MAX_ATTEMPTS is 'many': expected" in process.output()


def test_a_database_that_is_locked_for_long_is_waited_for(worker: StartWorker) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite is locked as a whole")
    process = worker(LEASE=60)
    finished(sample.Returns().dispatch())
    job = sample.Returns().dispatch(delay=0.5)
    with transaction.atomic():
        Queue.objects.create(name="written while locked")
        wait_until(lambda: timezone.now() > job.run_at + timedelta(seconds=2), message="due")
    assert finished(job).status == JobStatus.COMPLETED
    assert process.process.poll() is None


@not_through_it("no worker loses its connection")
def test_a_database_that_ends_every_connection_is_reconnected_to(
    worker: StartWorker, tmp_path: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("only a server can end connections")
    process = worker()
    job = sample.Sleeps(log=str(tmp_path / "log"), seconds=2).dispatch()
    lines_of(tmp_path / "log", 1)
    end_other_connections()
    assert finished(job).status == JobStatus.COMPLETED
    assert job.attempts.count() == 1
    assert process.output().count("database_unreachable") == 1
    assert "database_back" in process.output()


@pytest.mark.once
def test_a_worker_that_finds_no_database_says_so_once_and_waits(
    command: StartWorker, database_env: dict[str, str]
) -> None:
    database_env["DATABASE_URL"] = database_env["TEST_DATABASE"] = "postgres://x@127.0.0.1:9/none"
    process = command("runworker")
    wait_until(lambda: "database_unreachable" in process.output(), message=process.output)
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()
    assert process.output().count("database_unreachable") == 1


def test_names_of_queues_and_classes_are_entered(burst: StartWorker) -> None:
    sample.Returns().dispatch(queue="seldom")
    burst()
    assert Queue.objects.filter(name="seldom").exists()
    assert JobClass.objects.filter(name="tests.Returns").exists()


def test_a_worker_serves_only_its_queues(burst: StartWorker) -> None:
    mail, other = sample.Returns().dispatch(queue="mail"), sample.Returns().dispatch()
    burst("--queues", "mail")
    mail.refresh_from_db()
    other.refresh_from_db()
    assert (mail.status, other.status) == (JobStatus.COMPLETED, JobStatus.QUEUED)


def test_a_queue_nobody_has_seen_before_is_served(worker: StartWorker) -> None:
    worker()
    finished(sample.Returns().dispatch())
    assert finished(sample.Returns().dispatch(queue="brand new")).status == JobStatus.COMPLETED


def test_more_queues_than_one_statement_takes_are_served(burst: StartWorker) -> None:
    name = sample.Returns.job_name
    dispatching.dispatch([JobSpec(name, f"q{n}", 0, {}, None, None, 3) for n in range(600)])
    burst()
    assert Job.objects.filter(status=JobStatus.COMPLETED).count() == 600


def test_a_scheduled_job_runs_when_it_is_due(worker: StartWorker) -> None:
    worker()
    job = sample.Returns().dispatch(delay=1.0)
    assert job.status == JobStatus.SCHEDULED
    finished(job)
    assert job.started_at is not None
    assert job.started_at >= job.run_at
    assert (job.started_at - job.run_at).total_seconds() < 60.0
