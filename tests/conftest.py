"""What all tests share: the database they may use from several processes, and how to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from jobs import registry

from . import waiting
from .database import live_environment

DATABASE = {"db", "transactional_db", "live_server"}
"""Fixtures that every test on the database has, the last two by way of others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--on-database",
        action="store_true",
        help="leave out what is the same on every database",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--on-database"):
        return
    left_out = [item for item in items if not depends_on_database(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if depends_on_database(item)]


def depends_on_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("once"):
        return False
    named = DATABASE.intersection(getattr(item, "fixturenames", ()))
    return bool(named) or item.get_closest_marker("django_db") is not None


@pytest.fixture
def live_database(transactional_db: None) -> None:
    """A database where everything is committed: other processes see it. Emptied afterwards."""


@pytest.fixture
def database_env(live_database: None) -> dict[str, str]:
    """The environment of a process that shall see the database of this test."""
    return live_environment(connection.settings_dict)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`tests.waiting.wait_until(condition, deadline=DEADLINE, message="")`."""
    return waiting.wait_until


@pytest.fixture
def own_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget, afterwards, the job classes that a test declares."""
    for name in ("_classes", "_aliases", "import_errors"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
