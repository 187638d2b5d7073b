"""The times a page of statistics can look at: how far back, and in which steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Range:
    """So long until now, in steps no finer than the sums of that age."""

    name: str
    label: str | StrPromise
    length: timedelta
    step: timedelta

    def start(self, now: datetime) -> datetime:
        """Return the begin of the first step; the last one is under way."""
        seconds = int(self.step.total_seconds())
        latest = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
        return latest - self.length + self.step


RANGES = {
    one.name: one
    for one in (
        Range("1h", _("1 hour"), HOUR, MINUTE),
        Range("6h", _("6 hours"), 6 * HOUR, 10 * MINUTE),
        Range("24h", _("24 hours"), DAY, 30 * MINUTE),
        Range("7d", _("7 days"), 7 * DAY, 2 * HOUR),
        Range("30d", _("30 days"), 30 * DAY, DAY),
    )
}
DEFAULT = "24h"
