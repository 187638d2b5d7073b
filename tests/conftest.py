"""What all tests share: the database they may use from several processes, and how to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from jobs import registry

from . import waiting
from .database import live_environment


@pytest.fixture
def live_database(transactional_db: None) -> None:
    """A database where everything is committed: other processes see it. Emptied afterwards."""


@pytest.fixture
def database_env(live_database: None) -> dict[str, str]:
    """The environment of a process that shall see the database of this test."""
    return live_environment(connection.settings_dict)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """`tests.waiting.wait_until(condition, deadline=20.0, message="")`."""
    return waiting.wait_until


@pytest.fixture
def own_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget, afterwards, the job classes that a test declares."""
    for name in ("_classes", "_aliases", "import_errors"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))
