"""How much of the catalogue's rounds and times a run takes: `FAULTS_SCALE`, 1 for all of it.

Without it everything is as small as it can be, and what is long even then is left out.
"""

from __future__ import annotations

import os
import time

import pytest

from ..waiting import wait_until

SCALE = float(os.environ.get("FAULTS_SCALE") or 0)

nightly = pytest.mark.skipif(not SCALE, reason="too long for every run: make faults")


def pass_time(seconds: float) -> None:
    """Let so many seconds go by: for a fault that lasts, never for something to happen."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, seconds + 5.0)


def at_most(seconds: float) -> float:
    """Return what a target allows: as it stands at any scale, more in a short run, which shares its machine."""
    return seconds if SCALE else 10 * seconds


def scaled(whole: float, least: float = 1) -> int:
    """Return this run's share of a number of rounds, jobs or seconds."""
    return round(max(least, whole * SCALE))
