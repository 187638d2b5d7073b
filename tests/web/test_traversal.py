"""An address leads to what it names and to nothing beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from jobs.web.api.urls import urlpatterns as api
from jobs.web.urls import urlpatterns as pages
from tests.factories import make_attempt, make_job

pytestmark = pytest.mark.django_db

PATTERNS: list[Any] = [*pages, *api]
OF_AN_ATTEMPT = sorted(
    str(pattern.name)
    for pattern in PATTERNS
    if {"job_id", "number"} <= set(getattr(pattern.pattern, "converters", {}))
)
STEPS = ["../", "..%2f", "%2e%2e/", "..\\", "%00", "1/../", "0x1/", "1;/", "１/", "-1/", "1e0/"]


@pytest.mark.parametrize("name", OF_AN_ATTEMPT)
@pytest.mark.parametrize("method", ["get", "post"])
def test_an_attempt_of_another_job_is_not_found(name: str, method: str, operator: Client) -> None:
    job, other = make_job("failed"), make_job("failed")
    make_attempt(job, "failed")
    for _ in range(2):
        make_attempt(other, "failed")
    answer = getattr(operator, method)(reverse(f"jobs:{name}", args=[job.pk, 2]))
    assert answer.status_code in (404, 405)


def test_there_are_addresses_of_attempts() -> None:
    assert len(OF_AN_ATTEMPT) >= 4


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "place", ["/jobs/", "/jobs/{job}/attempts/", "/jobs/{job}/attempts/1/output/"]
)
def test_no_step_in_an_address_leads_anywhere(place: str, step: str, operator: Client) -> None:
    job = make_job("failed")
    make_attempt(job, "failed", error_message="SECRET")
    answer = operator.get(place.format(job=job.pk) + step + "etc/passwd")
    assert answer.status_code in (301, 302, 400, 404)
    assert "SECRET" not in answer.content.decode()
