"""Imports go one way, and only the lifecycle writes a status: read from the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "jobs"

LAYERS = [
    {"exceptions", "states", "signals", "output", "lookups"},
    {"conf", "retries", "routing", "histograms", "fingerprints", "faultpoints", "redaction"},
    {"registry", "options", "arguments", "origins"},
    {"models"},
    {"lifecycle", "statistics", "usual", "error_groups", "health", "selection"},
    {"job", "running", "schedules"},
    {"worker", "web", "urls", "templatetags", "middleware"},
    {"admin", "checks", "backends"},
    {"apps"},
    {"management"},
]
"""From the ground up: a module imports from its own layer or from those below it."""

RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

UPWARD = {("models", "lifecycle", "retry"), ("models", "lifecycle", "cancel")}
"""The only imports that go up: inside `Job.retry()` and `Job.cancel()`."""

DUNDERS = {"__version__"}
"""What the package itself says; it takes nothing to know it."""

SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


class Import(NamedTuple):
    room: str
    """The part of the package that is imported; `jobs` for the package itself."""
    function: str
    """The function around it, or nothing."""
    line: int


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[Import]:
    """Yield what a module imports from this package, those for type checkers left out."""
    yield from _imports(tree_of(path), path.relative_to(PACKAGE).parent.parts, "")


def _imports(node: ast.AST, folder: tuple[str, ...], function: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.level:
            base = folder[: len(folder) - child.level + 1]
            for name in [child.module] if child.module else [alias.name for alias in child.names]:
                room = (*base, *str(name).split("."))[0]
                if room not in DUNDERS:
                    yield Import(room, function, child.lineno)
        inside = child.name if isinstance(child, ast.FunctionDef) else function
        yield from _imports(child, folder, inside)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room_of(path)
    if here == "__init__":
        assert {found.room for found in imports_of(path)} <= {"exceptions", "job", "registry"}
        return
    for room, function, line in imports_of(path):
        if (here, room, function) not in UPWARD:
            place = f"{path.name}:{line} imports {room}"
            assert RANK[room] <= RANK[here], f"{place}, which stands above {here}"
            assert {here, room} != {"worker", "web"}, f"{place}: worker and web never meet"


def test_the_package_imports_itself_by_relative_names_only() -> None:
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert str(node.module).split(".")[0] != "jobs", f"{path}:{node.lineno}"
            if isinstance(node, ast.Import):
                assert all(alias.name.split(".")[0] != "jobs" for alias in node.names), path


def test_only_the_worker_knows_psutil() -> None:
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            names = [str(getattr(node, "module", ""))] + [
                alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)
            ]
            if isinstance(node, ast.Import | ast.ImportFrom) and "psutil" in names:
                assert room_of(path) == "worker", f"{path}:{node.lineno}"


WRITERS = {"update", "create", "get_or_create", "update_or_create", "Job", "Attempt"}
"""Calls that store what their keyword arguments say."""
NAMERS = {"setattr", "bulk_update", "save"}
"""Calls that store the fields whose names they are given."""
UPDATE = re.compile(r"UPDATE\s.*\sSET\s", re.DOTALL)
MESSAGES = {"done", "outcome"}
"""Names of variables that hold a message between processes, not a row."""


def writes_of_status(tree: ast.Module, messages: set[str] = MESSAGES) -> Iterator[int]:
    """Yield the lines that write a `status` of a row: by attribute, by a call, or by SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if node.attr == "status" and ast.unparse(node.value) not in messages:
                yield node.lineno
        elif isinstance(node, ast.Call):
            if stores_status(node):
                yield node.lineno
        elif isinstance(node, ast.Constant) and UPDATE.search(str(node.value)):
            yield node.lineno


def stores_status(call: ast.Call) -> bool:
    function = ast.unparse(call.func).split(".")[-1]
    if function in WRITERS:
        return any(keyword.arg in ("status", "defaults") for keyword in call.keywords)
    return function in NAMERS and "'status'" in ast.unparse(call)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_lifecycle_writes_a_status(path: Path) -> None:
    if room_of(path) != "lifecycle":
        # A `self` that is a row is found in models only.
        others = MESSAGES if room_of(path) == "models" else MESSAGES | {"self"}
        assert list(writes_of_status(tree_of(path), others)) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "job.status = 'failed'",
        "self.status = 'failed'",
        "Job.objects.filter(pk=1).update(status='failed')",
        "Attempt(status='running')",
        "setattr(job, 'status', 'failed')",
        "job.save(update_fields=['status'])",
        "cursor.execute('UPDATE jobs_job SET status = 1')",
    ],
)
def test_a_write_of_a_status_is_seen(source: str) -> None:
    assert list(writes_of_status(ast.parse(source))) == [1]


def test_an_import_between_modules_is_seen() -> None:
    found = [found.room for found in imports_of(PACKAGE / "models" / "jobs.py")]
    assert "states" in found
    assert "lifecycle" in found
