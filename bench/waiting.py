"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stalled(Exception):
    """Something did not happen in time."""


def until(
    condition: Callable[[], T], seconds: float = 60.0, what: str = "", interval: float = 0.005
) -> T:
    """Return the first true value of `condition()`. Raises Stalled after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() >= end:
            raise Stalled(f"{what or 'what was waited for'}: not within {seconds:g} s")
        time.sleep(interval)
    return value


def until_counted(count: Callable[[], int], wanted: int, patience: float = 60.0) -> None:
    """Wait until `count()` reaches what is wanted. Raises Stalled once it stands still for so long."""
    seen, moved = -1, time.monotonic()
    while (now := count()) < wanted:
        if now != seen:
            seen, moved = now, time.monotonic()
        elif time.monotonic() - moved > patience:
            raise Stalled(f"{seen} of {wanted} jobs ran, then nothing for {patience:g} s")
        time.sleep(0.01)
