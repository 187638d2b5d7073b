from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jobs.models import AuditEntry, Job, Operation
from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_job,
    make_names,
    make_operation,
    make_user,
    make_worker,
)

from .conftest import ALL

pytestmark = pytest.mark.once

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


@pytest.mark.parametrize("field", [{}, {"csrfmiddlewaretoken": "x" * 64}])
@pytest.mark.parametrize("name", ["retry", "login", "logout"])
def test_who_sends_an_old_token_gets_a_page_of_ours_that_says_what_to_do(
    name, field, strict, failed
) -> None:
    token_of(strict)
    address = reverse(f"jobs:{name}", args=[failed.pk] if name == "retry" else [])
    answer = strict.post(address, field)
    assert answer.status_code == 403
    assert "reload the page, and try again" in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    german = strict.post(address, field, headers={"Accept-Language": "de"})
    assert "neu laden" in german.content.decode()


def test_a_token_of_before_the_login_is_out_of_date(db) -> None:
    client = Client(enforce_csrf_checks=True)
    make_user(*ALL, username="ana", password="correct horse")
    answer = client.get("/login/")
    old = answer.context["csrf_token"]
    sent = {"username": "ana", "password": "correct horse", "csrfmiddlewaretoken": str(old)}
    assert client.post("/login/", sent).status_code == 302
    answer = client.post("/logout/", {"csrfmiddlewaretoken": str(old)})
    assert answer.status_code == 403
    assert "This page was out of date" in answer.content.decode()


def test_a_change_from_another_origin_is_refused(strict, failed) -> None:
    answer = strict.post(
        reverse("jobs:retry", args=[failed.pk]),
        {"csrfmiddlewaretoken": token_of(strict)},
        headers={"origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert "did not come from this site" in answer.content.decode()


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


def patterns(resolver: Any) -> Iterator[URLPattern]:
    for one in resolver.url_patterns:
        yield from patterns(one) if isinstance(one, URLResolver) else [one]


(OURS,) = [one for one in get_resolver().url_patterns if getattr(one, "namespace", None) == "jobs"]
ADDRESSES = list(patterns(OURS))
"""Every address of ours, those of the API too: one that is added is asked for as well."""
TAKE_NO_POST = {
    "live",
    "ready",
    *("metrics", "api_jobs", "api_job", "api_attempts", "api_attempt"),
    *("api_statistics", "api_errors", "api_unknown"),
}
"""Addresses for programs say so before they look for a token; pages look for it first."""


def place_of(pattern: URLPattern, job: Job) -> str:
    values = {"job_id": job.pk, "number": 1, "worker_id": UUID(int=1), "kind": "csv", "rest": "x"}
    values["operation_id"] = Operation.objects.get().pk
    needed = {name: values[name] for name in pattern.pattern.converters}
    # The second address of the logs has no name.
    return "/view/logs/" if pattern.name is None else reverse(f"jobs:{pattern.name}", kwargs=needed)


def stored() -> list[list[Any]]:
    """Return every row that a form could have changed."""
    models: list[Any] = [Session, *apps.get_app_config("jobs").get_models()]
    return [list(model._default_manager.order_by("pk").values()) for model in models]


@pytest.fixture
def something(failed: Job) -> Job:
    """Something that each form could change."""
    make_attempt(failed, "failed")
    make_operation()
    make_worker(id=UUID(int=1))
    make_names((failed.job_class,), ("default",))
    return failed


FORM = {
    "all": "1",
    "filter": "?status=failed",
    "name": "mine",
    "queue": "default",
    "run_at": "2999-01-01T10:00",
    "username": "ana",
    "password": "secret",
}


@contextmanager
def undone(client: Client) -> Iterator[None]:
    """Let a request leave nothing behind for the next one, neither rows nor cookies."""
    before = {name: one.value for name, one in client.cookies.items()}
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    client.cookies = SimpleCookie(before)


def test_no_address_takes_a_form_without_a_token(strict, something) -> None:
    before, wrong = stored(), []
    for pattern in ADDRESSES:
        with undone(strict):
            status = strict.post(place_of(pattern, something), FORM).status_code
            changed = stored() != before
        if changed or status != (405 if pattern.name in TAKE_NO_POST else 403):
            wrong.append((pattern.name, status, changed))
    assert wrong == []


def test_it_is_the_token_that_each_address_misses(strict, something) -> None:
    token, wrong = {"HTTP_X_CSRFTOKEN": token_of(strict)}, []
    for pattern in ADDRESSES:
        with undone(strict):
            status = strict.post(place_of(pattern, something), FORM, **token).status_code
        if status == 403 or (pattern.name in TAKE_NO_POST and status != 405):
            wrong.append((pattern.name, status))
    assert wrong == []


def test_the_addresses_are_all_there() -> None:
    named = {pattern.name for pattern in ADDRESSES}
    assert {*CHANGES, "bulk_retry", "stop_operation", "drain", "pause", "save_view"} <= named
    assert {"login", "logout", "api_retry", "api_cancel", None} <= named
