from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import trends
from tests.factories import make_attempt, make_job, make_user

from .asking import TOKEN


@pytest.fixture
def job() -> Job:
    trends._past.cache_clear()
    job = make_job(
        JobStatus.FAILED,
        arguments={"order": 2**63 + 1, "password": "hunter2"},
        error_type="ValueError",
        error_message="MESSAGE",
    )
    values = {"error_type": "ValueError", "error_message": "MESSAGE", "traceback": "TRACEBACK"}
    make_attempt(job, "failed", **values)
    return job


@pytest.fixture
def program(settings: Any) -> Callable[..., Client]:
    """Return a function that gives a client with the API token of a user with these permissions."""

    def enter(*codenames: str, **values: Any) -> Client:
        settings.BACKGROUND_JOB_API_TOKEN = TOKEN
        settings.BACKGROUND_JOB_API_USER = make_user(*codenames, **values).get_username()
        return Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {TOKEN}"})

    return enter
