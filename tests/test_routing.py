"""Queues with a database of their own: two databases, and the commands a user would type."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

ROOT = Path(__file__).parents[1]
DISPATCH = "from jobsystem.jobs import Reminder; Reminder(text='tea').dispatch(queue='reports')"
Manage = Callable[..., str]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the reference project on two databases, one of them for `reports`."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "jobsystem.settings",
        "PYTHON_DOTENV_DISABLED": "1",
        "SECRET_KEY": "for this test",
        "DATABASE_URL": f"sqlite:///{folder}/main.sqlite3",
        "DATABASE_URL_BULK": f"sqlite:///{folder}/bulk.sqlite3",
        "BACKGROUND_JOB_QUEUE_DATABASES": "reports=bulk",
    }


def call(folder: Path, *command: str, **settings: str) -> str:
    """Run `manage.py` on the databases of a folder."""
    more = {f"BACKGROUND_JOB_{name}": value for name, value in settings.items()}
    line = [sys.executable, "manage.py", *command]
    env = environment(folder) | more
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both databases as `migrate` makes them: each test gets a copy of it."""
    folder = tmp_path_factory.mktemp("migrated")
    call(folder, "migrate", "--verbosity=0")
    call(folder, "migrate", "--verbosity=0", "--database=bulk")
    return folder


@pytest.fixture
def manage(migrated: Path, tmp_path: Path) -> Manage:
    """Run `manage.py` of the reference project on two databases of this test's own."""
    shutil.copytree(migrated, tmp_path, dirs_exist_ok=True)
    return partial(call, tmp_path)


def rows(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return [value for (value,) in connection.execute(sql)]


def test_a_queue_with_a_database_of_its_own_is_dispatched_to_and_worked_on_there(
    manage: Manage, tmp_path: Path
) -> None:
    manage("shell", "-c", DISPATCH)
    main, bulk = tmp_path / "main.sqlite3", tmp_path / "bulk.sqlite3"
    assert rows(main, "SELECT status FROM jobs_job") == []
    manage("runworker", "--burst")
    assert rows(bulk, "SELECT status FROM jobs_job") == ["queued"]
    manage("runworker", "--burst", DATABASE="bulk")
    assert rows(bulk, "SELECT status FROM jobs_job") == ["completed"]


def test_a_process_of_such_a_database_hands_the_jobs_of_other_queues_on(
    manage: Manage, tmp_path: Path
) -> None:
    manage("shell", "-c", DISPATCH.replace("reports", "mail"), DATABASE="bulk")
    manage("shell", "-c", DISPATCH, DATABASE="bulk")
    assert rows(tmp_path / "main.sqlite3", "SELECT queue FROM jobs_job") == ["mail"]
    assert rows(tmp_path / "bulk.sqlite3", "SELECT queue FROM jobs_job") == ["reports"]


def test_a_job_in_another_database_is_no_parent(manage: Manage, tmp_path: Path) -> None:
    imports, dispatch = DISPATCH.split("; ")
    lines = [
        "from jobs.origins import of_job",
        imports,
        f"with of_job(7, 'shop.Report'): {dispatch}",
    ]
    for alias in ("default", "bulk"):
        manage("shell", "-c", "\n".join(lines), DATABASE=alias)
    assert rows(tmp_path / "bulk.sqlite3", "SELECT parent_id FROM jobs_job ORDER BY id") == [
        None,
        7,
    ]


def test_a_database_for_queues_has_the_tables_of_jobs_and_no_others(
    manage: Manage, tmp_path: Path
) -> None:
    names = rows(tmp_path / "bulk.sqlite3", "SELECT name FROM sqlite_master WHERE type = 'table'")
    others = {name for name in names if not name.startswith(("jobs_", "sqlite_"))}
    assert others == {"django_migrations"}


def test_a_database_that_does_not_exist_is_an_error(settings: Any) -> None:
    settings.BACKGROUND_JOB_DATABASE = "nowhere"
    [found] = [each for each in run_checks(tags=["jobs"]) if each.id == "jobs.E007"]
    assert found.msg == "'nowhere' holds jobs, but DATABASES has no such alias."


def test_a_database_for_jobs_without_the_router_is_an_error(settings: Any) -> None:
    settings.BACKGROUND_JOB_DATABASE = "default"
    settings.DATABASE_ROUTERS = []
    [found] = [each for each in run_checks(tags=["jobs"]) if each.id == "jobs.E007"]
    assert "do nothing without their router" in found.msg
