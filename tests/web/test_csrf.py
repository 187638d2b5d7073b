from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import AuditEntry, Job
from jobs.states import JobStatus
from tests.factories import make_job, make_user

from .conftest import ALL

CHANGES = ("retry", "cancel", "retry_at", "run_again", "run_copy")


@pytest.fixture
def strict(db: None) -> Client:
    """A client that is held to its token, as browsers are."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(*ALL))
    return client


@pytest.fixture
def failed(db: None) -> Job:
    return make_job(JobStatus.FAILED)


def token_of(client: Client) -> str:
    found = re.search(
        r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/").content.decode()
    )
    assert found
    return found[1]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_without_a_token_is_refused(name, strict, failed) -> None:
    assert strict.post(reverse(f"jobs:{name}", args=[failed.pk])).status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_change_with_a_wrong_token_is_refused(strict, failed) -> None:
    token_of(strict)
    answer = strict.post(reverse("jobs:retry", args=[failed.pk]), {"csrfmiddlewaretoken": "x" * 64})
    assert answer.status_code == 403


def test_a_change_from_another_origin_is_refused(strict, failed) -> None:
    answer = strict.post(
        reverse("jobs:retry", args=[failed.pk]),
        {"csrfmiddlewaretoken": token_of(strict)},
        headers={"origin": "https://evil.example"},
    )
    assert answer.status_code == 403


def test_a_request_that_the_browser_calls_cross_site_is_refused(strict, failed) -> None:
    answer = strict.post(
        reverse("jobs:retry", args=[failed.pk]),
        {"csrfmiddlewaretoken": token_of(strict)},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert answer.status_code == 403
    assert not AuditEntry.objects.exists()


def test_a_change_with_the_token_of_the_page_is_made(strict, failed) -> None:
    answer = strict.post(
        reverse("jobs:retry", args=[failed.pk]), {"csrfmiddlewaretoken": token_of(strict)}
    )
    failed.refresh_from_db()
    assert (answer.status_code, failed.status) == (302, JobStatus.QUEUED)


def test_a_host_without_the_middleware_is_protected_too(strict, failed, settings) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "CsrfView" not in name]
    assert strict.post(reverse("jobs:retry", args=[failed.pk])).status_code == 403


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_by_get_is_refused(name, strict, failed) -> None:
    assert strict.get(reverse(f"jobs:{name}", args=[failed.pk])).status_code == 405
    assert not AuditEntry.objects.exists()
