"""Values as browsers send them in forms."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _


class BadTime(ValueError):
    """A text that is no time; the message says what would be."""


def read_time(value: str) -> datetime | None:
    """Return the aware time that a `datetime-local` field holds, in the current zone; None if empty.

    Raises BadTime, also for a time that a change of clocks has left out.
    """
    value = value.strip()[:64]
    if not value:
        return None
    try:
        moment = parse_datetime(value)
        if moment is not None and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise BadTime(
            _("%(value)s is not a time such as 2030-01-31T14:00.") % {"value": repr(value)}
        )
    return moment
