"""Waiting a moment before a transaction, so that what ends at about the same time is written by one."""

from __future__ import annotations

import time
from collections.abc import Sized

PAUSE = 0.003
PAUSES = 5
"""Together they are as long as an outcome may be kept from those who watch its job."""
ENOUGH = 16
"""Events that are worth a transaction: quick jobs bring as many within a pause."""


def linger(gathering: Sized) -> None:
    """Wait until enough has gathered, at most for PAUSES × PAUSE seconds.

    For jobs that each take a new process, a transaction for every one costs the supervisor and
    PostgreSQL more CPU time than all else they do for it.
    """
    for _ in range(PAUSES):
        time.sleep(PAUSE)
        if len(gathering) >= ENOUGH:
            return
