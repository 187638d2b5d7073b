"""The JSON API and the metrics: who is let in."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import Job
from jobs.states import JobStatus
from jobs.web.api.urls import urlpatterns
from tests.factories import make_user

from ..conftest import ALL
from .asking import NEEDS, TOKEN, address, why

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

pytestmark = pytest.mark.django_db


def test_every_address_has_an_expectation() -> None:
    assert {pattern.name for pattern in urlpatterns} == {*NEEDS, "api_unknown"}


@pytest.mark.parametrize("name", NEEDS)
@pytest.mark.parametrize("debug", [False, True])
def test_without_login_or_token_nobody_is_let_in(name, debug, job, settings) -> None:
    settings.DEBUG = debug
    for method in METHODS:
        answer = Client().generic(method, address(name, job))
        assert answer.status_code == 401, method
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "text/html" not in answer["Content-Type"]


@pytest.mark.parametrize("name", NEEDS)
def test_each_missing_permission_closes_it(name, job, visitor, program) -> None:
    needed = NEEDS[name][1]
    for missing in needed:
        others = set(ALL) - {missing}
        for client in (visitor(*others), program(*others)):
            answer = client.generic(NEEDS[name][0], address(name, job))
            assert answer.status_code == 403
            assert missing in answer.content.decode()
            assert "text/html" not in answer["Content-Type"]


@pytest.mark.parametrize("name", NEEDS)
def test_exactly_the_needed_permissions_open_it(name, job, visitor, program) -> None:
    method, needed = NEEDS[name]
    for client in (visitor(*needed), program(*needed)):
        Job.objects.update(status=JobStatus.FAILED, finished_at=timezone.now())
        for other in METHODS:
            answer = client.generic(other, address(name, job))
            allowed = {method, "HEAD"} if method == "GET" else {method}
            expected = (200, 409) if other in allowed else (405,)
            assert answer.status_code in expected, other
            assert "text/html" not in answer["Content-Type"]


@pytest.mark.parametrize(
    "header", ["Bearer ", "Bearer wrong-token-of-length", "bearer", "Basic YTpi", "Bearer ä"]
)
def test_a_token_that_does_not_fit_opens_nothing(header: str, program) -> None:
    program(*ALL)
    answer = Client().get("/api/jobs/", headers={"authorization": header})
    assert answer.status_code == 401


def test_a_token_without_a_setting_opens_nothing(operator: Client) -> None:
    for token in ("None", "", TOKEN):
        answer = Client().get("/api/jobs/", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_the_token_of_a_user_who_has_left_opens_nothing(program, settings) -> None:
    assert program(*ALL, is_active=False).get("/api/jobs/").status_code == 401
    settings.BACKGROUND_JOB_API_USER = "nobody"
    answer = Client().get("/api/jobs/", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 401


def test_a_bad_token_is_not_forgiven_because_of_a_login(operator: Client) -> None:
    answer = operator.get("/api/jobs/", headers={"authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_the_metrics_token_opens_nothing_else(settings, job) -> None:
    settings.BACKGROUND_JOB_METRICS_TOKEN = TOKEN
    client = Client(headers={"authorization": f"Bearer {TOKEN}"})
    assert client.get("/metrics").status_code == 200
    for name in set(NEEDS) - {"metrics"}:
        assert client.generic(NEEDS[name][0], address(name, job)).status_code == 401


def test_programs_are_let_in_where_every_page_wants_a_login(program, settings, job) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert program(*ALL).get("/api/jobs/").status_code == 200
    assert Client().get("/api/jobs/").status_code == 401
    assert Client().get("/metrics").status_code == 401


def test_a_user_who_is_logged_in_changes_nothing_without_a_csrf_token(job) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(*ALL))
    answer = client.post(address("api_retry", job))
    assert answer.status_code == 403
    assert why(answer).startswith("The CSRF token does not fit")
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    client.get("/login/")
    client.get("/")
    token = client.cookies["csrftoken"].value
    answer = client.post(address("api_retry", job), headers={"x-csrftoken": token})
    assert answer.status_code == 200
