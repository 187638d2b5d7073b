"""What holds for the attempts of a class, worked out once: a worker keeps the settings it began with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..conf import conf
from ..registry import find

HOOK_TIMEOUT = 60.0
"""Seconds `failed()` may run where its class sets no timeout."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes; None for no limit."""

    fresh: bool
    """Whether each attempt gets a new process."""
    timeout: float | None
    memory_limit: int | None
    has_hook: bool
    """Whether the class has a `failed()` of its own."""
    grace: float
    output: int

    @property
    def hook_timeout(self) -> float:
        return self.timeout or HOOK_TIMEOUT


@cache
def limits_of(job_class: str) -> Limits:
    """Return the limits of the class with this name; an unknown one has those of the settings."""
    found = find(job_class)
    if found is None:
        fresh, timeout, memory_limit = conf.ISOLATION == "fresh", conf.TIMEOUT, conf.MEMORY_LIMIT
        return Limits(fresh, timeout, memory_limit, False, conf.KILL_GRACE, conf.OUTPUT_LIMIT)
    return Limits(
        fresh=found.effective("isolation") == "fresh",
        timeout=found.effective("timeout"),
        memory_limit=found.effective("memory_limit"),
        has_hook=found.has_failed_hook(),
        grace=conf.KILL_GRACE,
        output=conf.OUTPUT_LIMIT,
    )
