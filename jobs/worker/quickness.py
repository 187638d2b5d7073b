"""Which job classes have lately been quick, and may be claimed before a process is free for them."""

from __future__ import annotations

from collections import deque

QUICK = 0.05
"""Seconds below which 95 of 100 recent runs of a class must lie."""
REMEMBERED = 64
ENOUGH = 4
"""Runs needed before a class is trusted."""


class Quickness:
    """Remembers the last run times of each class; times are seconds."""

    def __init__(self) -> None:
        self.runs: dict[str, deque[bool]] = {}
        """Whether each of the last runs was slow."""
        self.slow: dict[str, int] = {}
        self.classes: tuple[str, ...] = ()
        """The quick ones. Replaced as a whole, so that another thread may read it at any time."""

        self.flows = True
        """Whether processes take jobs; not while each is busy with something slow."""

    def note(self, job_class: str, seconds: float) -> None:
        runs = self.runs.get(job_class)
        if runs is None:
            runs = self.runs[job_class] = deque()
        was_slow = seconds > QUICK
        slow = self.slow.get(job_class, 0) + was_slow
        runs.append(was_slow)
        if len(runs) > REMEMBERED:
            slow -= runs.popleft()
        self.slow[job_class] = slow
        is_quick = len(runs) >= ENOUGH and slow <= len(runs) // 20
        if is_quick != (job_class in self.classes):
            others = tuple(name for name in self.classes if name != job_class)
            self.classes = (*others, job_class) if is_quick else others
