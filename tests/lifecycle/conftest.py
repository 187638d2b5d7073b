from __future__ import annotations

import pytest
from django.db import connection

from jobs.lifecycle.engines import Engine, engine_for
from jobs.models import Worker
from tests.factories import make_worker


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
