from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django.utils import translation

from jobs import usual
from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import downloads
from tests.factories import make_job, make_user

ALL = (
    *("view_job", "view_job_arguments", "view_job_logs", "retry_job", "cancel_job"),
    *("dispatch_job", "manage_queue", "manage_worker"),
)


@pytest.fixture(autouse=True)
def language_of_the_tests() -> Iterator[None]:
    """Leave no language behind: a request in another one changes that of the thread it is answered in."""
    with translation.override("en-us"):
        yield


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """What is usual in another test is not so in this one."""
    usual.forget()


@pytest.fixture(autouse=True)
def nothing_is_being_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test has asked for and not read takes no place of this one's downloads."""
    places = threading.BoundedSemaphore(downloads.AT_A_TIME)
    monkeypatch.setattr(downloads, "_places", places)


@pytest.fixture
def visitor(db: None) -> Callable[..., Client]:
    """Return a function that gives a client logged in with exactly the permissions it names."""

    def log_in(*codenames: str) -> Client:
        client = Client()
        client.force_login(make_user(*codenames))
        return client

    return log_in


@pytest.fixture
def operator(visitor: Callable[..., Client]) -> Client:
    """A client that may do everything the dashboard offers."""
    return visitor(*ALL)


@pytest.fixture
def job(db: None) -> Job:
    """A job that has failed."""
    return make_job(JobStatus.FAILED)
