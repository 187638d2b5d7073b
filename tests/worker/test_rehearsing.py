"""What is done before children are forked leaves nothing behind but warm memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.signals import connection_created

from jobs import registry
from jobs.worker import cleanliness, rehearsing
from jobs.worker.runner import Runner

from .. import sample_jobs as sample
from .conftest import StartWorker, finished

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the processes alone that tests before have started: a launcher has none at that time."""
    monkeypatch.setattr(cleanliness, "_has_children", lambda: False)


@pytest.fixture
def opened() -> Iterator[list[Any]]:
    """The connections that receivers of Django's signal hear of."""
    heard: list[Any] = []

    def hear(connection: Any, **more: Any) -> None:
        heard.append(connection)

    connection_created.connect(hear)
    yield heard
    connection_created.disconnect(hear)


def test_a_rehearsal_opens_no_database_of_the_project(opened: list[Any]) -> None:
    rehearsing.rehearse(Runner())
    assert opened == []


def test_nothing_of_a_rehearsal_is_known_afterwards() -> None:
    runner = Runner()
    before = {**vars(runner)}
    aliases = {one.alias for one in connections.all(initialized_only=True)}
    rehearsing.rehearse(runner)
    assert {one.alias for one in connections.all(initialized_only=True)} == aliases
    assert (runner.make, runner.order, runner.job) == (before["make"], None, None)
    assert registry.find(rehearsing.Nothing.job_name) is None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases cannot be in memory")
def test_a_rehearsal_asks_a_database_in_memory_as_a_job_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    backend = type(connections["default"])
    real = backend.get_new_connection

    def opening(self: Any, params: dict[str, Any]) -> Any:
        made = real(self, params)
        made.set_trace_callback(asked.append)
        return made

    monkeypatch.setattr(backend, "get_new_connection", opening)
    rehearsing.rehearse(Runner())
    questions = [sql for sql in asked if "SELECT" in sql]
    assert len(questions) == rehearsing.ASKED
    assert "jobs_queue" in questions[0]


def test_a_rehearsal_that_fails_is_told_of_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(runner: Runner) -> None:
        raise OSError("no sockets left")

    monkeypatch.setattr(rehearsing, "_run_nothing", refuse)
    rehearsing.rehearse(Runner())
    assert "rehearsal_failed" in caplog.text


@pytest.mark.usefixtures("live_database")
@pytest.mark.parametrize("isolation", ["warm", "fresh"])
def test_the_first_job_of_a_process_has_nothing_of_the_rehearsal(
    worker: StartWorker, isolation: str
) -> None:
    worker(ISOLATION=isolation)
    job = finished(sample.Returns().dispatch())
    assert job.status == "completed"
    assert job.attempts.get().output == ""
