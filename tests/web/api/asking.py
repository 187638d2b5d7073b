"""The addresses of the API, who may ask for them, and how."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from jobs.models import Job

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
"""Address → its method, and the permissions that it needs."""


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
