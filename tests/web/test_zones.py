"""Times are told in the zone of the visitor's browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.web import zones
from tests.factories import make_job

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def page(client: Client, zone: str) -> str:
    client.cookies[zones.COOKIE] = zone
    job = make_job(created_at=NOON)
    return str(client.get(job.get_absolute_url()).content.decode())


def test_times_are_told_in_the_zone_of_the_browser(operator: Client) -> None:
    html = page(operator, "Asia/Tokyo")
    assert "2026-01-15 21:00:00" in html
    assert "2026-01-15 12:00:00 UTC (shown in Asia/Tokyo)" in html
    assert "Times in Asia/Tokyo" in html
    assert timezone.get_current_timezone_name() == "UTC"


@pytest.mark.parametrize("zone", ["", "Nowhere/Else", "../../etc/passwd", "Etc/UTC", "x" * 5000])
def test_any_other_zone_is_that_of_the_server(zone: str, operator: Client) -> None:
    html = page(operator, zone)
    assert "2026-01-15 12:00:00" in html
    assert "Times in UTC" in html


def test_a_time_that_is_typed_is_of_that_zone_too(operator: Client) -> None:
    operator.cookies[zones.COOKIE] = "Asia/Tokyo"
    job = make_job(created_at=NOON)
    for asked, found in (("2026-01-15T20:59", [job]), ("2026-01-15T21:01", [])):
        assert operator.get(f"/?since={asked}").context["page"].rows == found


def test_a_zone_that_the_project_has_chosen_stays(operator: Client, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.web.test_zones.in_kathmandu"]
    assert "2026-01-15 17:45:00" in page(operator, "Asia/Tokyo")


def in_kathmandu(get_response: Any) -> Any:
    def answer(request: Any) -> Any:
        with timezone.override("Asia/Kathmandu"):
            return get_response(request)

    return answer
