from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from jobs.lifecycle.engines import Engine, Listener, engine_for, notifications
from jobs.models import Worker
from tests import pgbouncer
from tests.factories import make_worker

from .acting import LISTENER


@pytest.fixture
def engine() -> Engine:
    return engine_for()


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> Worker:
    """A live worker, in the kind of database the test asks for."""
    request.getfixturevalue("db")
    return make_worker()


@pytest.fixture
def other_worker(worker: Worker) -> Worker:
    return make_worker()


@pytest.fixture
def only_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("about PostgreSQL")


@pytest.fixture
def only_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite")


@pytest.fixture
def only_mysql() -> None:
    if connection.vendor != "mysql":
        pytest.skip("about MySQL and MariaDB")


@pytest.fixture
def several_writers() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the sockets of this test in a folder of its own, whose path is short enough for them."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process tell of every job, however shortly after another."""
    monkeypatch.setattr(notifications, "QUIET", 0.0)
    monkeypatch.setattr(notifications, "_told", {})


@pytest.fixture
def elsewhere(engine: Engine) -> Iterator[Engine]:
    """The same database on another connection: that of a worker."""
    other = connection.copy()
    yield type(engine)(other)
    other.close()


@pytest.fixture
def heard_of() -> None:
    if connection.vendor == "mysql":
        pytest.skip("MySQL tells nobody anything: workers poll")
    if pgbouncer.BEHIND_IT:
        pytest.skip("PgBouncer in transaction mode has no LISTEN: workers poll")


@pytest.fixture
def listener(heard_of: None, private: Path, elsewhere: Engine) -> Iterator[Listener]:
    opened = elsewhere.listen(LISTENER)
    yield opened
    opened.close()
