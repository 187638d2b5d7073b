"""A page that keeps the database busy for too long is broken off, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from jobs.models import Job
from jobs.web import listing, stats
from jobs.web.api import views as api_views

SLOW = {
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60), COUNT(*) FROM jobs_job",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
}


def slow(*_: Any, **__: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(SLOW[connection.vendor])
        # MariaDB ends SLEEP early, and says by its value that it was broken off.
        return cursor.fetchall()


@pytest.fixture
def client_of_all(transactional_db: None, visitor: Callable[..., Client], settings: Any) -> Client:
    settings.BACKGROUND_JOB_PAGE_TIMEOUT = 1.5
    return visitor("view_job", "view_job_arguments", "view_job_logs")


def test_a_page_that_takes_too_long_says_so(client_of_all, monkeypatch) -> None:
    monkeypatch.setattr(stats, "overview", slow)
    began = time.monotonic()
    answer = client_of_all.get("/")
    assert answer.status_code == 503
    assert "This took too long" in answer.content.decode()
    assert "longer than 1.5 seconds" in answer.content.decode()
    assert time.monotonic() - began < 30
    monkeypatch.undo()
    assert client_of_all.get("/workers/").status_code == 200
    assert Job.objects.count() == 0


def test_a_program_is_told_so(client_of_all, monkeypatch) -> None:
    monkeypatch.setattr(api_views, "find_jobs", slow)
    answer = client_of_all.get("/api/jobs/")
    assert answer.status_code == 503
    assert "asked for too long" in answer.json()["error"]["message"]


def test_another_error_of_the_database_is_not_taken_for_it(client_of_all, monkeypatch) -> None:
    def broken() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    monkeypatch.setattr(stats, "overview", broken)
    assert "The database cannot be read" in client_of_all.get("/").content.decode()


def test_without_a_limit_nothing_watches(client_of_all, monkeypatch, settings) -> None:
    settings.BACKGROUND_JOB_PAGE_TIMEOUT = 0
    seen: list[int] = []
    monkeypatch.setattr(
        listing, "problems", lambda _: seen.append(len(connection.execute_wrappers))
    )
    client_of_all.get("/")
    settings.BACKGROUND_JOB_PAGE_TIMEOUT = 5
    client_of_all.get("/")
    assert seen[1] == seen[0] + 1
