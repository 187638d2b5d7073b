"""Values as browsers send them in forms."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _


class BadTime(ValueError):
    """A text that is no time; the message says what would be."""


def instant(moment: datetime) -> datetime | None:
    """Return a time in UTC, a naive one read in the current zone; None where not every zone can tell it.

    In its own zone it could be of no use: PostgreSQL knows none that is a day away.
    """
    if not 1970 <= moment.year <= 9000:
        return None
    return (moment if moment.tzinfo else timezone.make_aware(moment)).astimezone(UTC)


def read_time(value: str) -> datetime | None:
    """Return the aware time that a `datetime-local` field holds, in the current zone; None if empty.

    Raises BadTime, also for a time that a change of clocks has left out, and for one so far away that
    it cannot be told in every zone.
    """
    value = value.strip()[:64]
    if not value:
        return None
    try:
        parsed = parse_datetime(value)
        moment = instant(parsed) if parsed is not None else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise BadTime(
            _("%(value)s is not a time such as 2030-01-31T14:00.") % {"value": repr(value)}
        )
    return moment
