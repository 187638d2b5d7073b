"""A scene for every fault, the invariants after it, and its figures in one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..worker.conftest import StartWorker, command, worker
from . import figures, invariants
from .scene import Scene

__all__ = ["command", "worker"]

Figure = Callable[[str], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Note one figure of this test, as it is to stand in the table."""
    return lambda text: record_property(figures.FIGURE, text)


@pytest.fixture
def bare_scene(worker: StartWorker, database_env: dict[str, str], tmp_path: Path) -> Scene:
    """A scene whose invariants the test checks by itself."""
    return Scene(worker, tmp_path, database_env)


@pytest.fixture
def scene(bare_scene: Scene) -> Iterator[Scene]:
    """A scene of workers and jobs; the invariants are checked when the test is over."""
    yield bare_scene
    bare_scene.go()
    invariants.check(bare_scene)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from django.db import connection

    reports = [
        one
        for kind in ("passed", "failed", "skipped", "error")
        for one in terminalreporter.stats.get(kind, [])
    ]
    rows = [row for one in reports if (row := figures.row_of(one, connection.vendor))]
    if path := os.environ.get("FAULTS_RESULTS"):
        figures.save(rows, Path(path))
    elif rows:
        terminalreporter.section("faults")
        for row in sorted(rows, key=lambda one: (one.number, one.test)):
            terminalreporter.write_line(f"{row.number:2}  {row.test:60} {row.ok:8} {row.figure}")
