"""Recording how attempts ended. An outcome counts only while its attempt runs and is its worker's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Any
from uuid import UUID

from django.db import transaction
from msgspec.structs import replace

from ..conf import conf
from ..models import Attempt, Job
from ..options import FARTHEST
from ..registry import find
from ..retries import delay_after, spread
from ..signals import attempt_finished
from ..states import TRANSITIONS, AttemptStatus, JobStatus, Reason
from . import blaming
from .engines import Engine
from .errors import ErrorTally
from .records import Outcome, Settled, Start
from .rollups import Tally

MEASURES = ("cpu_seconds", "peak_rss", "exit_code", "signal", "output_bytes", "output_dropped")
LONGEST_ERROR = 500
"""Characters of an error message kept on the job; the attempt has the whole one."""
LONGEST_NAME = 200
"""Characters kept of the class of an exception."""
SPENDING = ("back_off", "fail")
"""The verbs that follow from an attempt that counts."""


def record_starts(engine: Engine, worker: UUID, starts: Sequence[Start]) -> set[int]:
    """Write when and to which process claimed attempts were handed.

    Returns the ids of those that were still the worker's.
    """
    with transaction.atomic(using=engine.alias, savepoint=False):
        return engine.record_starts(worker, sorted(starts))


def finish(engine: Engine, worker: UUID, outcomes: Sequence[Outcome]) -> list[Settled | None]:
    """Record outcomes of attempts that `worker` holds.

    Returns, in order, what each made of its job: None for one that came too late, because the
    attempt had ended otherwise or the worker had been declared lost. Such an outcome changes no
    state; what it measured is kept where nothing was yet.
    """
    ordered = sorted(outcomes, key=lambda one: one.attempt_id)
    settled: dict[int, Settled] = {}
    tally, errors = Tally(), ErrorTally()
    with transaction.atomic(using=engine.alias, savepoint=False):
        good = [one for one in ordered if one.status == AttemptStatus.COMPLETED]
        held = _lock(engine, worker, ordered) if len(good) < len(ordered) else {}
        moved = engine.complete(worker, good) if good else set()
        blamed = _to_blame(held, ordered)
        for one in ordered:
            if one.attempt_id in moved:
                settled[one.attempt_id] = _completed(one)
                _keep_samples(engine, one)
            elif one.attempt_id in held and one.status != AttemptStatus.COMPLETED:
                verdict = next_state(
                    held[one.attempt_id].job, one, to_blame=one.attempt_id in blamed
                )
                settled[one.attempt_id] = _settle(
                    engine, worker, held[one.attempt_id], one, verdict, errors
                )
            elif _keep_measures(engine, worker, one):
                tally.measure(one)
            if one.attempt_id in settled:
                tally.add(one, settled[one.attempt_id].job_status)
        tally.store(engine)
        errors.store(engine)
        _tell_of_released(engine, ordered, settled)
        if settled and attempt_finished.has_listeners():
            transaction.on_commit(
                partial(_announce, list(settled.values())), using=engine.alias, robust=True
            )
    return [settled.get(one.attempt_id) for one in outcomes]


def _tell_of_released(
    engine: Engine, outcomes: Sequence[Outcome], settled: Mapping[int, Settled]
) -> None:
    """Tell workers of the queues to which jobs went back: this one may be about to leave."""
    back = {one for one, end in settled.items() if end.job_status == JobStatus.QUEUED}
    if back:
        engine.notify({one.queue for one in outcomes if one.attempt_id in back})


def next_state(job: Job, one: Outcome, *, to_blame: bool = False) -> tuple[str, dict[str, Any]]:
    """Return the verb that follows for `job` from an attempt that did not complete, and what it sets.

    `to_blame` says that the loss of its worker counts as its own doing.
    """
    at, lost = one.finished_at, _ran_when_lost(one)
    if job.cancel_requested_at is not None or one.status == AttemptStatus.CANCELLED:
        return "stop", {"finished_at": at}
    if one.reason == Reason.POSTPONED:
        return "postpone", {"run_at": _later(at, one.delay or 0)}
    released = one.status == AttemptStatus.RELEASED and job.interruptions < conf.MAX_INTERRUPTIONS
    if not to_blame if lost else released:
        more = blaming.forgive(job, ran=lost) if lost or one.may_have_run else {}
        return "release", {"run_at": at, "interruptions": job.interruptions + 1, **more}
    spends, more = blaming.charge(job) if lost else (1, {})
    more["attempts_spent"] = spent = min(job.attempts_spent + spends, job.max_attempts)
    if one.final or spent >= job.max_attempts:
        return "fail", {"finished_at": at, **more}
    return "back_off", {"run_at": _later(at, _delay(job, one, spent)), **more}


def _ran_when_lost(one: Outcome) -> bool:
    return one.reason in blaming.LOST and one.started_at is not None


def _to_blame(held: Mapping[int, Attempt], outcomes: Sequence[Outcome]) -> Collection[int]:
    """Return which of the attempts that a lost worker or launcher has left are charged with that."""
    lost = [one.attempt_id for one in outcomes if _ran_when_lost(one) and one.attempt_id in held]
    return blaming.to_blame({pk: held[pk].job.losses or 0 for pk in lost})


def _delay(job: Job, one: Outcome, failures: int) -> float:
    if one.delay is not None:
        return one.delay
    job_class = find(job.job_class)
    policy = job_class.retry_policy() if job_class else conf.RETRY_DELAY
    return spread(delay_after(policy, failures), conf.RETRY_JITTER, random())


def _later(at: datetime, seconds: float) -> datetime:
    """Return `at` plus a delay that a job may have computed: no less than 0, and still a date."""
    return at + timedelta(seconds=min(max(0.0, seconds), FARTHEST))


def _lock(engine: Engine, worker: UUID, outcomes: Sequence[Outcome]) -> dict[int, Attempt]:
    """Lock those attempts that still run and are the worker's, with their jobs, by ascending id."""
    running = Attempt.objects.using(engine.alias).filter(
        id__in=[one.attempt_id for one in outcomes],
        worker_id=worker,
        status=AttemptStatus.RUNNING,
    )
    rows = running.select_related("job").defer("job__arguments", "job__result").order_by("id")
    return {attempt.pk: attempt for attempt in rows.select_for_update()}


def _settle(
    engine: Engine,
    worker: UUID,
    attempt: Attempt,
    one: Outcome,
    verdict: tuple[str, dict[str, Any]],
    errors: ErrorTally,
) -> Settled:
    """Close a locked attempt that did not complete, and move its job to what follows from that."""
    job, (verb, changes) = attempt.job, verdict
    job_class, move = find(job.job_class), TRANSITIONS[verb]
    runs_hook = verb == "fail" and job_class is not None and job_class.has_failed_hook()
    one = _as_counted(job, verb, one)
    _close(attempt, one, worker if runs_hook else None)
    if verb in SPENDING:
        error_type, message = one.error_type[:LONGEST_NAME], one.error_message
        changes["error_type"], changes["error_message"] = error_type, message[:LONGEST_ERROR]
        changes["error_group"] = errors.add(
            job.job_class, error_type, message, job.pk, one.finished_at
        )
    Job.objects.using(engine.alias).filter(id=job.pk, status__in=move.sources).update(
        status=move.target,
        unresolved_since=None,
        started_at=attempt.started_at,
        **changes,
    )
    name, number = job.job_class, attempt.number
    return Settled(
        one.attempt_id, job.pk, name, number, one.status, one.reason, move.target, runs_hook
    )


def _as_counted(job: Job, verb: str, one: Outcome) -> Outcome:
    """Return an outcome with the status that tells whether it spent an attempt."""
    if verb == "release":
        return replace(one, status=AttemptStatus.RELEASED, error_type="", error_message="")
    if verb not in SPENDING or one.status != AttemptStatus.RELEASED:
        return one
    times = f"{job.interruptions} times before, as often as BACKGROUND_JOB_MAX_INTERRUPTIONS allows"
    return replace(
        one,
        status=AttemptStatus.FAILED,
        error_type="WorkerLost" if one.reason == Reason.WORKER_LOST else "JobKilled",
        error_message=f"its worker stopped or was lost; the job had been given back {times}",
    )


def _close(attempt: Attempt, one: Outcome, hook_worker: UUID | None) -> None:
    for name in (*MEASURES, "status", "reason", "finished_at", "receipt", "samples"):
        setattr(attempt, name, getattr(one, name))
    attempt.started_at = one.started_at or attempt.started_at
    attempt.pid = one.pid or attempt.pid
    attempt.error_type = one.error_type[:LONGEST_NAME]
    attempt.error_message, attempt.traceback = one.error_message, one.traceback
    attempt.hook_pending, attempt.hook_worker = hook_worker is not None, hook_worker
    attempt.save()


def _keep_samples(engine: Engine, one: Outcome) -> None:
    """Keep what an attempt took over time: a statement of its own, as few run for so long."""
    if one.samples:
        attempts = Attempt.objects.using(engine.alias)
        attempts.filter(id=one.attempt_id).update(samples=one.samples)


def _keep_measures(engine: Engine, worker: UUID, one: Outcome) -> bool:
    """Keep what a late outcome measured, as of a job that completed in its own transaction.

    Returns whether nothing had been kept before.
    """
    measures = {name: getattr(one, name) for name in MEASURES}
    if one.pid:
        measures["pid"] = one.pid
    if one.samples:
        measures["samples"] = one.samples
    attempts = Attempt.objects.using(engine.alias).filter(id=one.attempt_id, worker_id=worker)
    unmeasured = attempts.filter(cpu_seconds=None).update(**measures)
    if not unmeasured:  # What was known of it when it was lost has been added to the sums.
        attempts.filter(samples__has_key="now").update(**measures)
    return bool(unmeasured)


def _completed(one: Outcome) -> Settled:
    status, done = AttemptStatus.COMPLETED, JobStatus.COMPLETED
    return Settled(
        one.attempt_id, one.job_id, one.job_class, one.number, status, Reason.NONE, done, False
    )


def _announce(settled: Iterable[Settled]) -> None:
    for one in settled:
        attempt_finished.send_robust(
            sender=one.job_class,
            job_id=one.job_id,
            attempt=one.number,
            status=one.attempt_status,
            reason=one.reason,
            job_status=one.job_status,
        )
