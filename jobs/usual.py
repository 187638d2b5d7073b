"""How long attempts of a class mostly run, read from the rollups and remembered for some seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from django.utils import timezone

from .statistics import between, summaries

LATELY = timedelta(days=7)
KEPT = 10
"""Seconds for which a process takes what is usual from its memory."""
AT_MOST = 1_000
"""Classes of which it keeps that."""


class Usual(NamedTuple):
    """How long attempts of a class mostly ran of late, in seconds; None without any."""

    p50: float | None
    p95: float | None


UNKNOWN = Usual(None, None)


def usual(job_class: str) -> Usual:
    """Return how long attempts of a class ran in the last days; some seconds old, perhaps."""
    return usual_of([job_class])[job_class]


def usual_of(job_classes: Iterable[str], *, ask: bool = True) -> dict[str, Usual]:
    """Return the same for several classes; those not known yet are read by one query, or left out."""
    now = time.monotonic()
    asked = set(job_classes)
    known = {name: _known[name] for name in asked if name in _known}
    fresh = {name: one for name, (kept_until, one) in known.items() if kept_until > now}
    missing = sorted(asked - fresh.keys())
    if missing and ask:
        if len(_known) > AT_MOST:
            _known.clear()
        found = _read(missing)
        _known.update({name: (now + KEPT, one) for name, one in found.items()})
        fresh |= found
    return fresh


def forget() -> None:
    """Forget what is remembered."""
    _known.clear()


_known: dict[str, tuple[float, Usual]] = {}
"""Class → until when it is taken from here, and what is usual."""


def _read(job_classes: list[str]) -> dict[str, Usual]:
    now = timezone.now()
    rows = between(now - LATELY, now).filter(job_class__in=job_classes)
    found = dict.fromkeys(job_classes, UNKNOWN)
    for name, lately in summaries(rows, "job_class", waits=False).items():
        found[name] = Usual(lately.ran.percentile(50), lately.ran.percentile(95))
    return found
