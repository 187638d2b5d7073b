"""Reading the groups of like errors: how often each was seen, since when, and how that went on.

No function reads jobs or attempts. Times are aware; windows begin at full minutes or hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Q, Sum

from .models import ErrorRollup, Resolution

PARTS = (Resolution.WRITER, Resolution.MINUTE, Resolution.HOUR)
WHOLE = (Resolution.EVER, Resolution.WRITER)
WINDOWS = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
"""Name → how far back it reaches."""
SPARK_STEP = timedelta(hours=6)
SPARK_POINTS = 28
"""Points of the line of a group: the last 7 days, six hours each."""


@dataclass(frozen=True)
class Group:
    """Failed attempts of one class with like errors."""

    fingerprint: str
    job_class: str
    error_type: str
    """Empty for all that is beyond the number of groups of a class."""
    message: str
    windows: dict[str, int]
    """Name of a window → failed attempts in it."""
    first_at: datetime
    last_at: datetime
    last_job: int
    total: int
    """Since it was first seen."""
    spark: list[int]
    """Failed attempts per step of the last 7 days, the oldest first."""

    @property
    def is_rest(self) -> bool:
        """Whether it holds the errors of its class that have no group of their own."""
        return not self.error_type


def most_frequent(
    now: datetime, *, window: str = "24h", job_class: str = "", limit: int = 100
) -> list[Group]:
    """Return up to `limit` groups seen in the last 7 days, those with most failures in `window` first.

    Raises KeyError for a window that is not in WINDOWS.
    """
    since = {name: _begin(now, length) for name, length in WINDOWS.items()}
    rows = ErrorRollup.objects.filter(resolution__in=PARTS, period__gte=since["7d"])
    if job_class:
        rows = rows.filter(job_class=job_class)
    seen = {
        f"seen_{name}": Sum("failures", filter=Q(period__gte=begin), default=0)
        for name, begin in since.items()
    }
    found = rows.order_by().values("fingerprint").annotate(**seen, last=Max("last_at"))
    groups = list(found.order_by(f"-seen_{window}", "-last", "fingerprint")[:limit])
    fingerprints = [group["fingerprint"] for group in groups]
    lives, sparks = _lives(fingerprints), _sparks(fingerprints, now)
    return [
        _group(one, lives[one["fingerprint"]], sparks[one["fingerprint"]])
        for one in groups
        if one["fingerprint"] in lives
    ]


def find(fingerprint: str) -> tuple[str, str, str] | None:
    """Return class, error and message of a group; None where there is none."""
    rows = ErrorRollup.objects.filter(resolution__in=WHOLE, fingerprint=fingerprint)
    return rows.values_list("job_class", "error_type", "message").first()


def _group(one: Mapping[str, Any], life: Mapping[str, Any], spark: list[int]) -> Group:
    what = (life["fingerprint"], life["job_class"], life["error_type"], life["message"])
    windows = {name: one[f"seen_{name}"] for name in WINDOWS}
    times = (life["first"], life["last"])
    return Group(*what, windows, *times, life["job"], life["total"], spark)


def _lives(fingerprints: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return fingerprint → what the group is, when it was first and last seen, and how often."""
    rows = ErrorRollup.objects.filter(resolution__in=WHOLE, fingerprint__in=fingerprints)
    named = rows.order_by().values("fingerprint", "job_class", "error_type", "message")
    lives = named.annotate(
        first=Min("first_at"), last=Max("last_at"), job=Max("last_job"), total=Sum("failures")
    )
    return {life["fingerprint"]: dict(life) for life in lives}


def _sparks(fingerprints: Iterable[str], now: datetime) -> dict[str, list[int]]:
    first = _spark_place(now) - SPARK_POINTS + 1
    sparks: dict[str, list[int]] = defaultdict(lambda: [0] * SPARK_POINTS)
    rows = ErrorRollup.objects.filter(
        resolution__in=PARTS, period__gte=now - WINDOWS["7d"], fingerprint__in=fingerprints
    )
    by_period = rows.order_by().values_list("fingerprint", "period").annotate(Sum("failures"))
    for fingerprint, period, failures in by_period:
        place = _spark_place(period) - first
        if 0 <= place < SPARK_POINTS:
            sparks[fingerprint][place] += failures
    return sparks


def _spark_place(moment: datetime) -> int:
    return int(moment.timestamp() // SPARK_STEP.total_seconds())


def _begin(now: datetime, length: timedelta) -> datetime:
    """Return the begin of a window: at a full hour, where minutes have been merged."""
    begin = (now - length).replace(second=0, microsecond=0)
    return begin if length <= timedelta(hours=1) else begin.replace(minute=0)
