"""Retry and cancel for all jobs of a filter, in steps: any worker may take the next one.

A step's changes and how far it came are one transaction, so that a worker that dies in the middle
has done nothing of it, and each job is reached once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DatabaseError, OperationalError

from ..models import Job, Operation
from ..selection import Selection
from ..states import (
    CANCELLABLE,
    OPEN_OPERATIONS,
    RETRYABLE,
    OperationKind,
    OperationStatus,
)
from .auditing import name_of
from .bulk import cancel_locked, retry_locked
from .engines import Engine, engine_for
from .engines.base import ORDERS

STEP = 100
"""Jobs of one step: about 10 ms, in which others wait on SQLite."""
SPAN = 10_000
"""Job ids one step looks through where no index holds exactly the wanted jobs."""
NAMED = 500
"""Skipped jobs that are remembered one by one."""
MOST_STEPS = 200
"""Steps that are taken at once; workers take the rest."""
LOOKED_THROUGH = 10
"""Open operations a worker looks at for one that nobody else is at."""

ACCEPTED = {OperationKind.RETRY: RETRYABLE, OperationKind.CANCEL: CANCELLABLE}
"""Kind → statuses of the jobs it can change."""


class Estimate(NamedTuple):
    """How many jobs an operation will meet; `capped` says that there may be more."""

    jobs: int
    capped: bool = False


def begin(
    kind: str,
    selection: Selection,
    *,
    asked_at: datetime,
    first_job: int = 0,
    last_job: int,
    estimate: Estimate,
    by: Any = None,
    using: str | None = None,
) -> Operation:
    """Store an operation for workers to carry out, and wake them.

    It changes the jobs from the id `first_job` up to `last_job` that matched at `asked_at` and still
    do when it comes to them. `by` is the user it is recorded for.
    """
    engine = engine_for(using)
    operation = Operation.objects.using(engine.alias).create(
        kind=kind,
        selection=selection.as_json(),
        asked_at=asked_at,
        next_job=first_job,
        last_job=last_job,
        estimated=estimate.jobs,
        estimate_capped=estimate.capped,
        actor_id=str(getattr(by, "pk", None) or ""),
        actor_name=name_of(by),
    )
    engine.notify([ORDERS])
    return operation


def stop(operation_id: int, *, by: Any = None, using: str | None = None) -> bool:
    """Ask for an operation to end before its next step. Returns whether this call did so."""
    engine = engine_for(using)
    unasked = Operation.objects.using(engine.alias).filter(
        pk=operation_id, finished_at=None, stop_requested_at=None
    )
    asked = unasked.update(stop_requested_at=engine.now(), stopped_by=name_of(by))
    engine.notify([ORDERS])
    return bool(asked)


def carry_out(operation: Operation, using: str | None = None) -> None:
    """Take all steps of a small operation here and now."""
    engine = engine_for(using)
    for _ in range(MOST_STEPS):
        if operation.is_finished:
            break
        step(engine, operation)
        operation.refresh_from_db()


def advance(engine: Engine) -> bool:
    """Take a step of the oldest open operation that nobody else is at. Returns whether one is open."""
    unfinished = Operation.objects.using(engine.alias).filter(finished_at=None)
    return any(step(engine, one) for one in unfinished.order_by("pk")[:LOOKED_THROUGH])


def step(engine: Engine, seen: Operation) -> bool:
    """Take the next step of an operation; one that was taken meanwhile is left alone.

    Returns whether it was taken. What cannot be done ends the operation as failed.
    """
    try:
        candidates, reached = _next(engine, seen)
        return engine.insist(lambda: _step(engine, seen, candidates, reached))
    except OperationalError:
        raise
    except (DatabaseError, ValueError) as error:
        _fail(engine, seen, error)
        return True


def _next(engine: Engine, operation: Operation) -> tuple[list[int], int]:
    """Return ids of jobs to look at, and the id that is to be looked at after them."""
    start, end = operation.next_job, operation.last_job + 1
    selection = Selection.from_json(operation.selection)
    if selection.ids:
        ids = sorted(pk for pk in selection.ids if pk >= start)
        return ids[:STEP], ids[STEP] if len(ids) > STEP else end
    start = _first_from(engine, selection, start) or end
    if not (selection.is_one_range and selection.status):
        end = min(end, start + SPAN)
    key = selection.key
    jobs = _matching(engine, operation).filter(**{f"{key}__gte": start, f"{key}__lt": end})
    found = list(selection.ordered(jobs).values_list("pk", flat=True)[: STEP + 1])
    return found[:STEP], found[STEP] if len(found) > STEP else end


def _first_from(engine: Engine, selection: Selection, start: int) -> int | None:
    """Return the smallest id from `start` on of a job that may match: no others take steps."""
    rows, key = selection.candidates(engine.alias)
    ids = rows.filter(**{f"{key}__gte": start}).order_by(key)
    return ids.values_list(key, flat=True).first()


def _matching(engine: Engine, operation: Operation) -> Any:
    selection = Selection.from_json(operation.selection)
    named = selection.ids or selection.status
    accepted = () if named else ACCEPTED[OperationKind(operation.kind)]
    return selection.jobs_as_of(operation.asked_at, engine.alias, accepted)


def _step(engine: Engine, seen: Operation, candidates: list[int], reached: int) -> bool:
    rows = Operation.objects.using(engine.alias).filter(pk=seen.pk, finished_at=None)
    operation = rows.select_for_update(skip_locked=True).first()
    if operation is None or operation.next_job != seen.next_job:
        return False
    now = engine.now()
    if operation.stop_requested_at:
        return _close(operation, OperationStatus.STOPPED, now)
    skipped = _change(engine, operation, candidates, now)
    operation.done += len(candidates) - len(skipped)
    operation.skipped = dict(Counter(operation.skipped) + Counter(why for _, why in skipped))
    operation.skipped_jobs = [*operation.skipped_jobs, *skipped][:NAMED]
    operation.next_job = reached
    operation.started_at = operation.started_at or now
    if reached > operation.last_job:
        return _close(operation, OperationStatus.COMPLETED, now)
    operation.status = OperationStatus.RUNNING
    operation.save()
    return True


def _change(
    engine: Engine, operation: Operation, candidates: list[int], now: datetime
) -> list[tuple[int, str]]:
    """Retry or cancel what still can be among `candidates`. Returns the rest, each with why not."""
    jobs = Job.objects.using(engine.alias).filter(pk__in=candidates).order_by("pk")
    locked = {job.pk: job for job in jobs.select_for_update().only(*LOOKED_AT)}
    matching = set(
        _matching(engine, operation).filter(pk__in=candidates).values_list("pk", flat=True)
    )
    kind = OperationKind(operation.kind)
    refusals = [(pk, why) for pk in candidates if (why := _refusal(locked.get(pk), matching, kind))]
    accepted = [locked[pk] for pk in candidates if pk not in dict(refusals)]
    change = retry_locked if kind == OperationKind.RETRY else cancel_locked
    if accepted:
        change(engine, accepted, operation, now)
    return refusals


LOOKED_AT = ("status", "job_class", "queue", "cancel_requested_at")


def _refusal(job: Job | None, matching: Iterable[int], kind: OperationKind) -> str:
    """Return why a job is passed over; nothing if it is not."""
    if job is None:
        return "deleted"
    if job.pk not in matching:
        return "changed"
    if kind == OperationKind.CANCEL and job.is_cancelling:
        return "cancelling"
    return "" if job.status in ACCEPTED[kind] else str(job.status)


def _close(operation: Operation, status: OperationStatus, now: datetime) -> bool:
    operation.status = status
    operation.started_at = operation.started_at or now
    operation.finished_at = now
    operation.save()
    return True


def _fail(engine: Engine, operation: Operation, error: Exception) -> None:
    Operation.objects.using(engine.alias).filter(
        pk=operation.pk, status__in=sorted(OPEN_OPERATIONS)
    ).update(
        status=OperationStatus.FAILED,
        finished_at=engine.now(),
        error=f"{type(error).__name__}: {error}"[:200],
    )
