"""What the ledger could not write because somebody else held its rows, until it is tried again."""

from __future__ import annotations

import math
import time

from .journal import Journal
from .log import warn

PAUSE = 2.0
"""Seconds after which entries are tried again whose rows somebody else held."""


class Aside:
    """Parts of a journal. Times are `time.monotonic()` seconds."""

    def __init__(self) -> None:
        self.parts: list[Journal] = []
        self.until = math.inf
        """When they are to be tried again, where there are any."""
        self.is_told = False
        """Whether it was said that rows are held, since the last time that none was."""

    def put(self, parts: list[Journal]) -> None:
        """Try these again a little later, and wait for them with nothing else."""
        if not parts:
            return
        if not self.is_told:
            warn("rows_held_by_others", entries=len(parts))
        self.is_told = True
        self.parts += parts
        # Not from the turn's beginning: waiting for the locks has taken a while.
        self.until = time.monotonic() + PAUSE

    def return_to(self, journal: Journal, now: float) -> None:
        """Have another try at them, when its time has come."""
        if not self.parts:
            self.is_told = False
        elif now >= self.until:
            for part in self.parts:
                journal.take_up(part)
            self.clear()

    def clear(self) -> None:
        self.parts.clear()
        self.until = math.inf
