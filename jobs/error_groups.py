"""Reading the groups of like errors: how often each was seen, since when, and how that went on.

No function reads jobs or attempts. Times are aware; windows begin at full minutes or hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import Max, Min, Q, Sum

from .fingerprints import Likeness
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
    now: datetime,
    *,
    window: str = "24h",
    job_class: str = "",
    fingerprint: str = "",
    limit: int = 100,
) -> list[Group]:
    """Return up to `limit` groups seen in the last 7 days, those with most failures in `window` first.

    Of one class, or the one with a fingerprint, where these are given.

    Raises KeyError for a window that is not in WINDOWS.
    """
    since = {name: _begin(now, length) for name, length in WINDOWS.items()}
    rows = ErrorRollup.objects.filter(resolution__in=PARTS, period__gte=since["7d"])
    if job_class:
        rows = rows.filter(job_class=job_class)
    if fingerprint:
        rows = rows.filter(fingerprint=fingerprint)
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


def named(fingerprints: Iterable[str]) -> dict[str, Likeness]:
    """Return fingerprint → what the errors of the group have in common, of those there are."""
    rows = ErrorRollup.objects.filter(
        resolution__in=WHOLE, fingerprint__in=sorted(set(fingerprints))
    )
    found = rows.order_by().values_list("fingerprint", "job_class", "error_type", "message")
    return {one: Likeness(*what) for one, *what in found}


def failures_since(fingerprint: str, now: datetime, window: str = "24h") -> int:
    """Return how many attempts of a group failed in a window of WINDOWS."""
    rows = ErrorRollup.objects.filter(
        resolution__in=PARTS, period__gte=_begin(now, WINDOWS[window]), fingerprint=fingerprint
    )
    return int(rows.aggregate(found=Sum("failures", default=0))["found"])


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
    """Return fingerprint → failed attempts per step, added up by the database: hours are many rows."""
    step = SPARK_STEP.total_seconds()
    latest = int(now.timestamp() // step)
    begins = [
        datetime.fromtimestamp(place * step, UTC)
        for place in range(latest - SPARK_POINTS + 1, latest + 2)
    ]
    rows = ErrorRollup.objects.filter(
        resolution__in=PARTS, period__gte=now - WINDOWS["7d"], fingerprint__in=fingerprints
    )
    sums = [
        Sum("failures", filter=Q(period__gte=begin, period__lt=end), default=0)
        for begin, end in pairwise(begins)
    ]
    points = {f"point_{place}": one for place, one in enumerate(sums)}
    by_group = rows.order_by().values_list("fingerprint").annotate(**points)
    sparks: dict[str, list[int]] = defaultdict(lambda: [0] * SPARK_POINTS)
    sparks.update({fingerprint: [int(one) for one in each] for fingerprint, *each in by_group})
    return sparks


def _begin(now: datetime, length: timedelta) -> datetime:
    """Return the begin of a window: at a full hour, where minutes have been merged."""
    begin = (now - length).replace(second=0, microsecond=0)
    return begin if length <= timedelta(hours=1) else begin.replace(minute=0)
