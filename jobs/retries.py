"""How long a job waits after a failed attempt: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence


def delay_after(policy: float | Sequence[float], failures: int) -> float:
    """Return the seconds to wait after `failures` failed attempts, 1 or more.

    `policy` is a number of seconds, or a non-empty list with one number per failed attempt, the
    last of which repeats.
    """
    if isinstance(policy, (int, float)):
        return float(policy)
    return float(policy[min(failures, len(policy)) - 1])


def spread(delay: float, jitter: float, chance: float) -> float:
    """Return `delay` seconds and up to `jitter` times as many more; `chance` is from 0 to 1.

    Jobs that failed together, since what they all need was away, do not all come back together.
    """
    return delay * (1 + jitter * chance)
