"""A worker and a database of another version: it says so in a sentence, and does no harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from jobs.lifecycle import schema
from jobs.models import Job
from jobs.states import JobStatus
from jobs.worker.bell import Bell
from jobs.worker.line import DatabaseLine
from tests import sample_jobs as sample
from tests.waiting import wait_until

from ..pgbouncer import not_through_it
from .conftest import StartWorker, end_other_connections, finished

NEWER = "9999_from_the_future"


@pytest.fixture
def recorder(live_database: None) -> Iterator[MigrationRecorder]:
    """What the database says of its migrations; put right afterwards."""
    recorder = MigrationRecorder(connection)
    before = [name for app, name in recorder.applied_migrations() if app == "jobs"]
    yield recorder
    recorder.migration_qs.filter(app="jobs").delete()
    for name in sorted(before):
        recorder.record_applied("jobs", name)


def latest(recorder: MigrationRecorder) -> str:
    return max(name for app, name in recorder.applied_migrations() if app == "jobs")


def test_a_worker_refuses_a_database_that_is_not_migrated(
    command: StartWorker, recorder: MigrationRecorder
) -> None:
    missing = latest(recorder)
    recorder.record_unapplied("jobs", missing)
    process = command("runworker", "--burst")
    assert process.ended() == 1
    assert "the worker does not start: the database 'default' is not migrated" in process.output()
    assert f"{missing} of 'jobs' not applied; run `manage.py migrate`" in process.output()
    assert "Traceback" not in process.output()


def test_a_worker_refuses_a_database_of_a_newer_version(
    command: StartWorker, recorder: MigrationRecorder
) -> None:
    recorder.record_applied("jobs", NEWER)
    process = command("runworker", "--burst")
    assert process.ended() == 1
    assert f"by a newer version: {NEWER} of 'jobs' is unknown here" in process.output()


def test_a_job_is_not_executed_on_a_database_that_is_not_migrated(
    command: StartWorker, recorder: MigrationRecorder
) -> None:
    job = sample.Returns().dispatch()
    recorder.record_unapplied("jobs", latest(recorder))
    process = command("execute", str(job.pk))
    assert process.ended() == 1
    assert "is not migrated for this version" in process.output()
    assert Job.objects.get(pk=job.pk).status == JobStatus.QUEUED


def test_a_running_worker_goes_on_when_a_newer_version_migrates(
    worker: StartWorker, recorder: MigrationRecorder
) -> None:
    worker()
    finished(sample.Returns().dispatch())
    recorder.record_applied("jobs", NEWER)
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED


@not_through_it("no worker loses its connection")
def test_a_worker_that_comes_back_to_tables_it_does_not_know_says_so_once_and_waits(
    worker: StartWorker, recorder: MigrationRecorder
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("only a server can end connections")
    process, missing = worker(LEASE=60), latest(recorder)
    finished(sample.Returns().dispatch())
    recorder.record_unapplied("jobs", missing)
    end_other_connections()
    job = sample.Returns().dispatch()
    wait_until(lambda: "database_not_migrated" in process.output(), message=process.output)
    recorder.record_applied("jobs", missing)
    assert finished(job).status == JobStatus.COMPLETED
    assert process.output().count("database_not_migrated") == 1
    assert "database_back" in process.output()


def test_tables_that_are_missing_are_told_from_a_database_that_is_away(
    recorder: MigrationRecorder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", {**connection.settings_dict["OPTIONS"]}
    )
    line, missing = DatabaseLine("0" * 32, Bell()), latest(recorder)
    line.failed(OperationalError("no route"), 0.0)
    recorder.record_unapplied("jobs", missing)
    for _ in range(2):
        with pytest.raises(schema.NotMigrated) as trouble:
            line.open()
        line.failed(trouble.value, 0.0)
    recorder.record_applied("jobs", missing)
    line.open()
    line.worked()
    line.close()
    events = [record.getMessage().split()[0] for record in caplog.records]
    assert events == ["database_unreachable", "database_not_migrated", "database_back"]
