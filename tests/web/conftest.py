from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.factories import make_user

ALL = (
    *("view_job", "view_job_arguments", "view_job_logs", "retry_job", "cancel_job"),
    *("dispatch_job", "manage_queue", "manage_worker"),
)


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
