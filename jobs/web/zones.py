"""The time zone of a page: that of the visitor's browser, which the script keeps in a cookie."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.utils import timezone

COOKIE = "jobs_zone"
NAMES_OF_UTC = {"Etc/UTC", "Etc/GMT", "GMT"}
"""What browsers call it where the machine has no other zone."""


def zone_of(request: HttpRequest) -> AbstractContextManager[object]:
    """Return what activates the visitor's zone; nothing where the project has activated one."""
    name = request.COOKIES.get(COOKIE, "")
    is_chosen = timezone.get_current_timezone() != timezone.get_default_timezone()
    if is_chosen or name not in known():
        return nullcontext()
    return timezone.override(ZoneInfo("UTC" if name in NAMES_OF_UTC else name))


@cache
def known() -> frozenset[str]:
    return frozenset(available_timezones())
