"""Jobs whose `failed()` is still to run. It runs at least once and never changes an outcome."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db.models import F, OuterRef, Subquery

from ..models import Attempt, OutputChunk, Worker
from ..states import LIVE_WORKERS
from .engines import Engine


class DueHook(NamedTuple):
    """A `failed()` that is due, with all that is needed to run it in any process."""

    attempt_id: int
    job_id: int
    number: int
    job_class: str
    arguments: str
    """JSON text."""
    reason: str
    error_type: str
    error_message: str
    output_bytes: int
    """What the attempt has printed so far; the hook's output follows it."""
    output_lines: int
    output_dropped: int = 0


def due_hooks(engine: Engine, worker: UUID) -> list[DueHook]:
    """Take over the hooks that a lost or stopped worker left behind, and return all that are ours."""
    pending = Attempt.objects.using(engine.alias).filter(hook_pending=True)
    named = pending.order_by().values_list("hook_worker", flat=True).distinct()
    owners = {owner for owner in named if owner is not None}
    if not owners:
        return []
    workers = Worker.objects.using(engine.alias).filter(id__in=owners, status__in=LIVE_WORKERS)
    if left_by := owners - set(workers.values_list("id", flat=True)):
        # By name, so that of two workers who found them left, the second finds them taken.
        pending.filter(hook_worker__in=left_by).update(hook_worker=worker)
    mine = pending.filter(hook_worker=worker).select_related("job")
    mine = mine.annotate(output_lines=latest("last_line"), output_end=latest("end"))
    return [
        DueHook(
            attempt.pk,
            attempt.job_id,
            attempt.number,
            attempt.job.job_class,
            msgspec.json.encode(attempt.job.arguments).decode(),
            attempt.reason,
            attempt.error_type,
            attempt.error_message,
            # A hook that was cut off may have printed more than was known when its attempt ended.
            max(attempt.output_bytes, attempt.output_end or 0),
            attempt.output_lines or 0,
            attempt.output_dropped,
        )
        for attempt in mine.order_by("id")[:100]
    ]


def latest(value: str) -> Subquery:
    """Return something of the last piece kept of an attempt's output, as a column of attempts."""
    chunks = OutputChunk.objects.filter(attempt=OuterRef("pk")).order_by("-position")
    return Subquery(chunks.annotate(end=F("position") + F("size")).values(value)[:1])


def hook_done(
    engine: Engine, worker: UUID, attempt_id: int, output_bytes: int, output_dropped: int
) -> None:
    """Enter that `failed()` of an attempt has run, and how much has been printed by now."""
    Attempt.objects.using(engine.alias).filter(id=attempt_id, hook_worker=worker).update(
        hook_pending=False, output_bytes=output_bytes, output_dropped=output_dropped
    )
