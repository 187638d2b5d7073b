"""Whose attempt the loss of a worker spends: that of the job which is known to have caused it.

Each job that ran may have taken its worker along, or only have been beside the one that did. So:

- The first loss of a job spends nothing.
- Of jobs that were lost before, the only one beside those that never were is to blame. Where there
  are several, none is, and from then on they are suspects.
- A worker runs one suspect at a time, so that the next loss tells. It spends two attempts at once: what
  the one before would have.

So a job that kills its workers starts once more than its attempts allow, and those beside it lose none.
With one attempt allowed it may start twice more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..models import Job
from ..states import Reason

LOST = (Reason.WORKER_LOST, Reason.LAUNCHER_LOST)
SUSPECT = 2
"""Losses from which on a job is a suspect. With just as many one loss has not been charged yet."""
CHARGED = 3


def to_blame(losses: Mapping[int, int]) -> Collection[int]:
    """Return whom a loss spends an attempt, of what ran: its keys → how often each was lost before."""
    for at_least in (SUSPECT, 1):
        known = [key for key, before in losses.items() if before >= at_least]
        if known:
            return known if len(known) == 1 else []
    return []


def charge(job: Job) -> tuple[int, dict[str, Any]]:
    """Return the attempts that a job to blame has to spend, and what its row is to hold."""
    before = job.losses or 0
    return (2 if before == SUSPECT else 1), {"losses": max(before + 1, CHARGED)}


def forgive(job: Job, *, ran: bool) -> dict[str, Any]:
    """Return what the row of a job is to hold that was lost with its worker, and is not to blame.

    Of one that may not even have run the first loss alone is noted.
    """
    before = job.losses or 0
    return {"losses": max(before, min(before + 1, SUSPECT if ran else 1))}
