"""The JSON API: what is told, and how it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.lifecycle import errors
from jobs.lifecycle.engines import engine_for
from jobs.models import AuditEntry, Job
from jobs.redaction import MASK
from jobs.states import JobStatus
from jobs.web import trends
from jobs.web.api.urls import urlpatterns
from tests.factories import make_attempt, make_job

from .asking import NEEDS, address, why

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "api.md"

pytestmark = pytest.mark.django_db


# -- what is told ----------------------------------------------------------------------------------


def test_jobs_are_listed_as_the_filter_says(operator: Client, job: Job) -> None:
    make_job(JobStatus.COMPLETED)
    answer = operator.get("/api/jobs/?status=failed").json()
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
        ("/api/jobs/?" + "x=1&" * 1001, 400, "too many fields"),
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
    for end in ("", "attempts/", "attempts/1/", f"attempts/{number}/"):
        assert operator.get(f"/api/jobs/{number}/{end}").status_code == 404
    for verb in ("retry", "cancel"):
        assert operator.post(f"/api/jobs/{number}/{verb}/").status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (DatabaseError("secret"), 503, "The database cannot be read: DatabaseError."),
        (InterfaceError("secret"), 503, "The database cannot be read: InterfaceError."),
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
    (shown,) = re.findall(r"```json\n(\{\s+\"jobs\".*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (told,) = operator.get("/api/jobs/").json()["jobs"]
    assert set(json.loads(shown)["jobs"][0]) == set(told)


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
