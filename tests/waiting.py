"""Waiting for what other processes do. No test sleeps in any other way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 45.0
"""Seconds to wait for what takes a moment, on a machine that has much else to do."""
INTERVAL = 0.02
"""Seconds between two looks."""

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    deadline: float = DEADLINE,
    message: str | Callable[[], str] = "",
    interval: float = INTERVAL,
) -> T:
    """Return the first true value of `condition()`, looking for at most `deadline` seconds.

    Looks every `interval` seconds. Raises AssertionError at the deadline. A callable `message` is
    called only then, so that it can say how things stand.
    """
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() >= end:
            text = message() if callable(message) else message
            raise AssertionError(f"not within {deadline:g} s: {text or condition!r}")
        time.sleep(interval)
    return value
