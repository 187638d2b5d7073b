"""The JSON API: who is let in, what is told, and how it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.lifecycle import errors
from jobs.lifecycle.engines import engine_for
from jobs.models import AuditEntry, Job
from jobs.states import JobStatus
from jobs.web import trends
from jobs.web.api.urls import urlpatterns
from jobs.web.redaction import MASK
from tests.factories import make_attempt, make_job, make_user

from .conftest import ALL

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
TOKEN = "a-token-that-nobody-guesses"
NEEDS = {
    "api_jobs": ("GET", {"view_job"}),
    "api_job": ("GET", {"view_job"}),
    "api_retry": ("POST", {"view_job", "retry_job"}),
    "api_cancel": ("POST", {"view_job", "cancel_job"}),
    "api_attempts": ("GET", {"view_job"}),
    "api_attempt": ("GET", {"view_job", "view_job_logs"}),
    "api_statistics": ("GET", {"view_job"}),
    "api_errors": ("GET", {"view_job"}),
    "metrics": ("GET", {"view_job"}),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

pytestmark = pytest.mark.django_db


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


def address(name: str, job: Job) -> str:
    one, numbered = [job.pk], [job.pk, 1]
    arguments = {
        **dict.fromkeys(("api_job", "api_retry", "api_cancel", "api_attempts"), one),
        "api_attempt": numbered,
    }
    return reverse(f"jobs:{name}", args=arguments.get(name, []))


def why(answer: Any) -> str:
    assert "text/html" not in answer["Content-Type"]
    return str(answer.json()["error"]["message"])


# -- who is let in ---------------------------------------------------------------------------------


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


# -- what is told ----------------------------------------------------------------------------------


def test_jobs_are_listed_as_the_filter_says(operator: Client, job: Job) -> None:
    make_job(JobStatus.COMPLETED)
    answer = operator.get("/api/jobs/?status=failed&class=shop.SendInvoice").json()
    (only,) = answer["jobs"]
    assert (only["id"], only["status"], only["class"]) == (job.pk, "failed", "shop.SendInvoice")
    assert only["created_at"] == job.created_at.isoformat(timespec="microseconds")
    assert (answer["newer"], answer["older"], answer["partial"]) == (None, None, False)


def test_all_pages_together_have_every_job_once(operator: Client) -> None:
    expected = sorted((make_job().pk for _ in range(60)), reverse=True)
    found, place = [], "/api/jobs/?size=25"
    while place:
        answer = operator.get(place).json()
        found += [job["id"] for job in answer["jobs"]]
        place = answer["older"]
    assert found == expected


def test_secrets_are_masked_and_numbers_keep_their_digits(operator: Client, job: Job) -> None:
    answer = operator.get(f"/api/jobs/{job.pk}/")
    assert str(2**63 + 1) in answer.content.decode()
    assert answer.json()["job"]["arguments"] == {"order": 2**63 + 1, "password": MASK}


def test_what_a_user_may_not_read_is_not_told(visitor, job: Job) -> None:
    client = visitor("view_job")
    tally = errors.ErrorTally()
    tally.add("shop.SendInvoice", "ValueError", "MESSAGE", job.pk, timezone.now())
    tally.store(engine_for())
    for place in (
        "/api/jobs/",
        f"/api/jobs/{job.pk}/",
        f"/api/jobs/{job.pk}/attempts/",
        "/api/errors/",
    ):
        text = client.get(place).content.decode()
        for secret in ("MESSAGE", "TRACEBACK", "hunter2", "order"):
            assert secret not in text, place
        assert "ValueError" in text
    assert client.get("/api/jobs/?argument=order:1").status_code == 403


def test_attempts_are_told_newest_first(operator: Client, job: Job) -> None:
    make_attempt(job, "completed")
    answer = operator.get(f"/api/jobs/{job.pk}/attempts/").json()
    assert [(one["number"], one["status"]) for one in answer["attempts"]] == [
        (2, "completed"),
        (1, "failed"),
    ]
    whole = operator.get(f"/api/jobs/{job.pk}/attempts/1/").json()["attempt"]
    assert (whole["traceback"], whole["error_message"]) == ("TRACEBACK", "MESSAGE")


def test_a_retry_queues_the_job_and_is_in_the_audit(program, job: Job) -> None:
    client = program("view_job", "retry_job", username="deploy-bot")
    answer = client.post(f"/api/jobs/{job.pk}/retry/")
    assert (answer.status_code, answer.json()["job"]["status"]) == (200, "queued")
    assert AuditEntry.objects.get().actor_name == "deploy-bot"
    again = client.post(f"/api/jobs/{job.pk}/retry/")
    assert again.status_code == 409
    assert why(again) == f"Job {job.pk} is queued: only failed and cancelled ones retry."


def test_a_cancel_ends_a_waiting_job_and_asks_a_running_one(operator: Client) -> None:
    waiting, running = make_job(), make_job(JobStatus.RUNNING)
    assert operator.post(f"/api/jobs/{waiting.pk}/cancel/").json()["job"]["status"] == "cancelled"
    asked = operator.post(f"/api/jobs/{running.pk}/cancel/").json()["job"]
    assert asked["status"] == "running"
    assert asked["cancel_requested_at"]
    again = operator.post(f"/api/jobs/{running.pk}/cancel/")
    assert again.status_code == 409
    assert "being cancelled already" in why(again)


def test_statistics_have_as_many_steps_as_the_page(operator: Client, job: Job) -> None:
    answer = operator.get("/api/stats/?range=7d").json()
    assert (answer["range"], answer["step_seconds"], len(answer["steps"])) == ("7d", 7200, 84)
    assert answer["whole"]["run_seconds"] == {"p50": None, "p95": None, "p99": None, "max": None}


# -- how it refuses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "status", "reason"),
    [
        ("/api/jobs/?status=banana", 400, "The parameter 'status' does not accept 'banana'."),
        ("/api/jobs/?statsu=failed", 400, "There is no parameter 'statsu': after, argument,"),
        ("/api/jobs/?status=failed&status=queued", 400, "'status' is given 2 times"),
        ("/api/jobs/?size=1000", 400, "'size' does not accept '1000'"),
        ("/api/jobs/?before=x", 400, "'before' does not accept 'x'"),
        ("/api/jobs/?since=yesterday", 400, "is not a time"),
        ("/api/jobs/?class=%00", 400, "'class' does not accept"),
        ("/api/stats/?range=99d", 400, "'range' does not accept '99d'"),
        ("/api/stats/?before=1", 400, "There is no parameter 'before': class, queue, range, sort"),
        ("/api/errors/?window=1y", 400, "'window' does not accept '1y'"),
        ("/api/jobs/999999/", 404, "There is no job 999999"),
        ("/api/jobs/999999/attempts/", 404, "There is no job 999999"),
        ("/api/jobs/999999/attempts/1/", 404, "There is no attempt 1 of a job 999999"),
        ("/api/jobs", 404, "There is no /api/jobs. Addresses end with a slash."),
        ("/api/nothing/at/all", 404, "There is no /api/nothing/at/all"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(
    place: str, status: int, reason: str, operator: Client
) -> None:
    answer = operator.get(place)
    assert answer.status_code == status
    assert reason in why(answer)
    assert answer.json()["error"]["status"] == status


@pytest.mark.parametrize("number", [0, 2**63 - 1, 2**63, 10**40])
def test_a_number_that_no_job_can_have_is_not_found(number: int, operator: Client) -> None:
    for end in ("", "attempts/", f"attempts/{number}/"):
        assert operator.get(f"/api/jobs/{number}/{end}").status_code == 404
    for verb in ("retry", "cancel"):
        assert operator.post(f"/api/jobs/{number}/{verb}/").status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (DatabaseError("secret"), 503, "The database cannot be read: DatabaseError."),
        (ZeroDivisionError("secret"), 500, "This is an error of the server; its log says more."),
    ],
)
def test_an_error_of_the_server_is_told_in_json_without_its_message(
    error: Exception, status: int, reason: str, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(trends, "read", fail)
    answer = operator.get("/api/stats/?range=1h")
    assert (answer.status_code, why(answer)) == (status, reason)


# -- documents and costs ---------------------------------------------------------------------------


def documented() -> set[tuple[str, str, str]]:
    rows = re.findall(r"^\| (GET|POST) \| `([^`]+)` \|(.*?)\|", DOCUMENT.read_text("utf-8"), re.M)
    return {(method, place, needs.strip().strip("`")) for method, place, needs in rows}


def test_the_document_lists_every_address_with_its_permission() -> None:
    routes = {pattern.name: str(pattern.pattern) for pattern in urlpatterns}
    expected = {
        (method, "/" + re.sub(r"<\w+:(\w+)>", r"<\1>", routes[name]), "".join(needs - {"view_job"}))
        for name, (method, needs) in NEEDS.items()
    }
    assert documented() == expected


def test_the_document_shows_a_job_with_the_fields_it_has(operator: Client, job: Job) -> None:
    shown = DOCUMENT.read_text("utf-8").split('"jobs": [')[1].split("]")[0]
    (told,) = operator.get("/api/jobs/").json()["jobs"]
    assert set(re.findall(r'"(\w+)": ', shown)) == set(told)


@pytest.mark.parametrize("name", [name for name in NEEDS if NEEDS[name][0] == "GET"])
def test_an_answer_takes_few_queries_however_many_jobs_there_are(name, operator, job) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert operator.get(address(name, job)).status_code == 200
        return [query["sql"] for query in queries]

    few = statements()
    for _ in range(20):
        make_job(JobStatus.FAILED)
    many = statements()
    assert len(many) <= len(few) <= 12
    if name == "api_jobs":
        assert not any('"arguments"' in sql or '"result"' in sql for sql in many)
