"""The system checks of databases: which options and servers they warn of."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections

from jobs.checks import check_sqlite, sqlite_problems

from .test_checks import messages, only_message

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode = wal; PRAGMA synchronous=NORMAL;",
}


@pytest.fixture
def sqlite_options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The OPTIONS of the jobs' database, which is SQLite for the time of the test."""
    options: dict[str, Any] = dict(SQLITE_OPTIONS)
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", options)
    return options


@pytest.mark.parametrize(
    ("lacking", "problem"),
    [
        ({"transaction_mode": "DEFERRED"}, "transaction_mode is not IMMEDIATE"),
        ({"init_command": "PRAGMA synchronous=NORMAL;"}, "journal_mode is not WAL"),
        (
            {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"},
            "synchronous is not NORMAL",
        ),
    ],
)
def test_a_sqlite_database_that_cannot_be_shared_is_a_warning(
    sqlite_options: dict[str, Any], lacking: dict[str, str], problem: str
):
    sqlite_options.update(lacking)
    expected = f"The SQLite database 'default' holds the jobs, and its {problem}."
    assert only_message("jobs.W002") == expected


def test_a_sqlite_database_without_options_lacks_everything(sqlite_options: dict[str, Any]):
    sqlite_options.clear()
    assert len(sqlite_problems("default")) == 3


def test_a_sqlite_database_with_all_options_is_fine(sqlite_options: dict[str, Any]):
    assert check_sqlite() == []


def test_another_database_has_no_sqlite_problems(
    sqlite_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    sqlite_options.clear()
    monkeypatch.setattr(connections["default"], "vendor", "postgresql")
    assert sqlite_problems("default") == []


@pytest.mark.parametrize(
    ("version", "count"), [((3, 6, 23), 0), ((3, 7, 0), 1), ((3, 51, 2), 1), ((3, 51, 3), 0)]
)
def test_an_sqlite_that_can_corrupt_is_a_warning_for_deployment(
    sqlite_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
    count: int,
):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    found = messages("jobs.W003", deploy=True)
    assert len(found) == count
    assert all("can, rarely, corrupt a database in WAL mode" in each.msg for each in found)
    assert messages("jobs.W003") == []


@pytest.fixture
def mysql_options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The OPTIONS of the jobs' database, which is MySQL for the time of the test."""
    options: dict[str, Any] = {}
    monkeypatch.setattr(connections["default"], "vendor", "mysql")
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", options)
    return options


@pytest.mark.parametrize("level", ["repeatable read", None])
def test_a_mysql_database_that_locks_gaps_is_a_warning(
    mysql_options: dict[str, Any], level: str | None
):
    mysql_options["isolation_level"] = level
    assert only_message("jobs.W006").startswith(
        f"The database 'default' holds the jobs, and its isolation_level is {level!r}: claims would"
    )


@pytest.mark.parametrize("options", [{}, {"isolation_level": "READ COMMITTED"}])
def test_a_mysql_database_that_reads_what_is_committed_is_fine(
    mysql_options: dict[str, Any], options: dict[str, str]
):
    mysql_options.update(options)
    assert messages("jobs.W006") == []


@pytest.mark.parametrize(("can_skip", "databases", "count"), [
    (False, ["default"], 1), (False, [], 0), (True, ["default"], 0),
])  # fmt: skip
def test_a_mysql_server_without_skip_locked_is_an_error_where_databases_are_checked(
    mysql_options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    can_skip: bool,
    databases: list[str],
    count: int,
):
    features = connections["default"].features
    monkeypatch.setattr(features, "has_select_for_update_skip_locked", can_skip)
    found = [one for one in run_checks(tags=["jobs"], databases=databases) if one.id == "jobs.E008"]
    assert len(found) == count
    for one in found:
        assert "has no SKIP LOCKED" in one.msg
        assert one.hint
