"""What each URL of the dashboard takes, and what is shown to whom. A new URL fails until it is listed.

All visitors, methods and addresses against each other are in `test_every_address`.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jobs.models import AuditEntry, Job, Operation
from jobs.states import JobStatus
from tests.factories import make_attempt, make_job, make_operation, make_worker

from .conftest import ALL

pytestmark = pytest.mark.once

OPEN = {"login", "logout", "live", "ready"}
NEEDS = {
    "list": ("GET", {"view_job"}),
    "job": ("GET", {"view_job"}),
    "attempt": ("GET", {"view_job", "view_job_logs"}),
    "output": ("GET", {"view_job", "view_job_logs"}),
    "counts": ("GET", {"view_job"}),
    "export": ("GET", {"view_job"}),
    "save_view": ("POST", {"view_job"}),
    "delete_view": ("POST", {"view_job"}),
    "confirm_retry": ("GET", {"view_job", "retry_job"}),
    "bulk_retry": ("POST", {"view_job", "retry_job"}),
    "confirm_cancel": ("GET", {"view_job", "cancel_job"}),
    "bulk_cancel": ("POST", {"view_job", "cancel_job"}),
    "operations": ("GET", {"view_job"}),
    "operation": ("GET", {"view_job"}),
    "stop_operation": ("POST", {"view_job", "retry_job"}),
    "audit": ("GET", {"view_job"}),
    "export_audit": ("GET", {"view_job"}),
    "dump": ("POST", {"view_job", "view_job_logs", "cancel_job"}),
    "compare": ("GET", {"view_job", "view_job_logs"}),
    "logs": ("GET", {"view_job", "view_job_logs"}),
    "logs/": ("GET", {"view_job", "view_job_logs"}),
    "statistics": ("GET", {"view_job"}),
    "errors": ("GET", {"view_job"}),
    "queues": ("GET", {"view_job"}),
    "pause": ("POST", {"view_job", "manage_queue"}),
    "resume": ("POST", {"view_job", "manage_queue"}),
    "workers": ("GET", {"view_job"}),
    "drain": ("POST", {"view_job", "manage_worker"}),
    "forget": ("POST", {"view_job", "manage_worker"}),
    "retry_at": ("POST", {"view_job", "retry_job"}),
    "run_again": ("POST", {"view_job", "dispatch_job"}),
    "edit": ("GET", {"view_job", "view_job_arguments", "dispatch_job"}),
    "run_copy": ("POST", {"view_job", "view_job_arguments", "dispatch_job"}),
    "retry": ("POST", {"view_job", "retry_job"}),
    "cancel": ("POST", {"view_job", "cancel_job"}),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def urls() -> dict[str, URLPattern]:
    """Return every URL of the namespace; the one without a name is the second one of the logs."""
    (resolver,) = [
        pattern
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLResolver) and pattern.namespace == "jobs"
    ]
    patterns = [one for one in resolver.url_patterns if isinstance(one, URLPattern)]
    return {pattern.name or "logs/": pattern for pattern in patterns}


def address(name: str, job: Job) -> str:
    if name == "logs/":
        return reverse("jobs:logs") + "/"
    values = {"job_id": job.pk, "number": 1, "worker_id": UUID(int=1)}
    values |= {"kind": "csv", "operation_id": Operation.objects.get().pk}
    needed = urls()[name].pattern.converters
    query = f"?a={job.attempts.get().pk}" if name == "compare" else ""
    return reverse(f"jobs:{name}", kwargs={key: values[key] for key in needed}) + query


@pytest.fixture
def job(db: None) -> Job:
    job = make_job(JobStatus.FAILED)
    make_attempt(job, "failed")
    make_worker(id=UUID(int=1))
    make_operation()
    return job


def test_every_url_has_an_expectation() -> None:
    assert set(urls()) == OPEN | set(NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_every_other_permission_together_does_not_open_it(name, job, visitor) -> None:
    method, needed = NEEDS[name]
    for missing in needed:
        client = visitor(*(set(ALL) - {missing}))
        answer = client.generic(method, address(name, job))
        assert answer.status_code == 403
        assert missing in answer.content.decode()


@pytest.mark.parametrize("name", NEEDS)
def test_exactly_the_needed_permissions_open_it(name, job, visitor) -> None:
    method, needed = NEEDS[name]
    client = visitor(*needed)
    for other in METHODS:
        answer = client.generic(other, address(name, job))
        allowed = {method, "HEAD"} if method == "GET" else {method}
        assert answer.status_code in ((200, 302) if other in allowed else (405,)), other


def test_what_a_visitor_may_not_see_is_not_on_the_page(job, visitor) -> None:
    Job.objects.update(
        arguments={"who": "ARGUMENT"}, error_type="ValueError", error_message="MESSAGE"
    )
    job.attempts.update(traceback="TRACEBACK", error_message="MESSAGE")
    page = visitor("view_job").get(job.get_absolute_url()).content.decode()
    listed = visitor("view_job").get("/").content.decode()
    for secret in ("ARGUMENT", "TRACEBACK", "MESSAGE"):
        assert secret not in page
        assert secret not in listed
    assert "ValueError" in page


def test_what_a_visitor_may_not_do_is_not_offered(job, visitor) -> None:
    page = visitor("view_job").get(job.get_absolute_url()).content.decode()
    assert reverse("jobs:retry", args=[job.pk]) not in page
    assert reverse("jobs:cancel", args=[job.pk]) not in page


def test_a_refused_change_changes_nothing(job, visitor) -> None:
    visitor("view_job").post(reverse("jobs:retry", args=[job.pk]))
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert not AuditEntry.objects.exists()
