"""A scene for every fault, the invariants after it, and its figures in one table."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobs.signals import job_dispatched

from ..postgres import Server
from ..worker.conftest import StartWorker, command, worker
from . import figures, invariants, witness
from .catalogue import EVERY_RUN
from .scale import nightly
from .scene import Scene
from .servers import CRASHABLE, own_database

__all__ = ["command", "worker"]

Figure = Callable[[str], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Note one figure of this test, as it is to stand in the table."""
    return lambda text: record_property(figures.FIGURE, text)


@pytest.fixture
def bare_scene(worker: StartWorker, database_env: dict[str, str], tmp_path: Path) -> Scene:
    """A scene whose invariants the test checks by itself."""
    found = Scene(worker, tmp_path, database_env)
    job_dispatched.connect(found.note_dispatched)
    return found


@pytest.fixture
def scene(bare_scene: Scene) -> Iterator[Scene]:
    """A scene of workers and jobs; the invariants are checked when the test is over."""
    with invariants.kept(bare_scene):
        yield bare_scene


@pytest.fixture
def watched(live_database: None) -> Iterator[None]:
    """The witness is there."""
    witness.watch()
    yield
    witness.leave()


@pytest.fixture(scope="module")
def machine() -> Server:
    return Server(CRASHABLE)


@pytest.fixture
def server(live_database: None, machine: Server, database_env: dict[str, str]) -> Iterator[Server]:
    """A server this test may stop; it holds the test's database. To be named before `scene`."""
    if connection.vendor != "postgresql":
        pytest.skip("only a server goes away; SQLite's outage is fault 19")
    with own_database(machine, database_env):
        yield machine


SERVER = pytest.StashKey[str]()


@pytest.fixture(scope="session", autouse=True)
def noted_server(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> None:
    """Note which database this is, and of which version."""
    with django_db_blocker.unblock():
        request.config.stash[SERVER] = name_of(connection)


def name_of(connection: Any) -> str:
    if connection.vendor == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    if connection.vendor == "postgresql":
        return "PostgreSQL {}.{}".format(*divmod(connection.pg_version, 10_000))
    kind = "MariaDB" if connection.mysql_is_mariadb else "MySQL"
    return f"{kind} {'.'.join(map(str, connection.mysql_version))}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make faults` what the catalogue does not ask of every run."""
    for one in items:
        hit = figures.NUMBER.search(one.nodeid)
        if hit and int(hit[1]) not in EVERY_RUN:
            one.add_marker(nightly)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [
        one
        for kind in ("passed", "failed", "skipped", "error")
        for one in terminalreporter.stats.get(kind, [])
    ]
    server = terminalreporter.config.stash.get(SERVER, connection.vendor)
    rows = [row for one in reports if (row := figures.row_of(one, connection.vendor, server))]
    if path := os.environ.get("FAULTS_RESULTS"):
        figures.save(rows, Path(path))
    elif rows:
        terminalreporter.section("faults")
        for row in sorted(rows, key=lambda one: (one.number, one.test)):
            terminalreporter.write_line(f"{row.number:2}  {row.test:60} {row.ok:8} {row.figure}")
