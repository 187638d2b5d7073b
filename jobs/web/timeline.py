"""The story of one job: its attempts and what people asked for, in one stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..models import Attempt, AuditEntry, Job
from ..states import PENDING
from .paging import Page

ENTRIES_SHOWN = 100
AT_ONCE = timedelta(seconds=1)
"""A job due so shortly after its dispatch was due at once."""


@dataclass(frozen=True)
class Fact:
    """Something that happened, or is to happen, at a time.

    `kind` is `dispatched`, `due`, `claimed`, `ended` or `asked`; the last three come with the attempt
    or the audit entry, and `dispatched` does where it is known who did it.
    """

    at: datetime
    kind: str
    attempt: Attempt | None = None
    entry: AuditEntry | None = None


def facts_of(job: Job, page: Page[Attempt]) -> list[Fact]:
    """Return what happened in the time of the attempts of `page`, the first thing first.

    The first page, the newest, holds what came after the last attempt, too; the last one begins
    with the dispatch.
    """
    entries = entries_of(job, page)
    told = [Fact(entry.at, "asked", entry=entry) for entry in entries if entry.action != "dispatch"]
    for attempt in page.rows:
        told.append(Fact(attempt.claimed_at, "claimed", attempt))
        if attempt.finished_at is not None:
            told.append(Fact(attempt.finished_at, "ended", attempt))
    if page.older is None:
        by = next((entry for entry in entries if entry.action == "dispatch"), None)
        told.append(Fact(job.created_at, "dispatched", entry=by))
    if page.newer is None and (job.status in PENDING or job.run_at - job.created_at > AT_ONCE):
        told.append(Fact(job.run_at, "due"))
    order = ("dispatched", "due", "asked", "claimed", "ended")
    return sorted(told, key=lambda fact: (fact.at, order.index(fact.kind)))


def entries_of(job: Job, page: Page[Attempt]) -> Sequence[AuditEntry]:
    """Return what was asked of a job between the attempts of a page, the latest if there is more."""
    entries = job.audit.order_by("-id")
    if page.rows and page.older is not None:
        entries = entries.filter(at__gte=page.rows[-1].claimed_at)
    if page.rows and page.newer is not None:
        later = job.attempts.filter(number__gt=page.rows[0].number).order_by("number")
        following = later.values_list("claimed_at", flat=True).first()
        if following is not None:
            entries = entries.filter(at__lt=following)
    return list(entries[:ENTRIES_SHOWN])
