"""Taking due jobs, and undoing that where nobody has started them."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import F, Q, QuerySet

from ..conf import conf
from ..faultpoints import reach
from ..fingerprints import likeness
from ..models import Attempt, Job, Worker
from ..registry import broken_module, find
from ..states import LIVE_WORKERS, TRANSITIONS, WAITING, AttemptStatus, JobStatus
from .blaming import SUSPECT
from .engines import Engine
from .errors import ErrorTally
from .finishing import LONGEST_ERROR
from .records import Claim
from .rollups import count

PROMOTED_AT_ONCE = PUT_OFF_AT_ONCE = 1000
ROUNDS = 10
"""Times one claim puts off jobs of unknown classes before it leaves the rest to the next."""
UNRESOLVED_PAUSE = 30.0
"""Seconds until a job of an unknown class is looked at again, perhaps by a newer worker."""
SUSPECT_PAUSE = 2.0
"""Seconds until a job that may have taken workers along is looked at again, while another one runs."""
UNKNOWN = "UnknownJobClass"
"""What its error is called."""


def promote(engine: Engine) -> int:
    """Queue waiting jobs whose time has come, some at a time. Returns how many."""
    due = engine.next_due()
    # Looking first: on SQLite even an UPDATE that finds nothing waits for every other writer.
    return engine.promote(PROMOTED_AT_ONCE) if due is not None and due <= engine.now() else 0


def next_due(engine: Engine) -> datetime | None:
    """Return when the next waiting job is due; None where none waits."""
    return engine.next_due()


def promote_one(engine: Engine, job_id: int) -> bool:
    """Queue one waiting job now, whenever it is due. Returns whether it waited."""
    waiting = Job.objects.using(engine.alias).filter(id=job_id, status__in=WAITING)
    return bool(waiting.update(status=TRANSITIONS["promote"].target, run_at=engine.now()))


def claim(
    engine: Engine,
    worker: UUID,
    queues: Sequence[str],
    free: int,
    ahead: int = 0,
    quick: Sequence[str] = (),
) -> list[Claim]:
    """Claim up to `free` due jobs, best first, and up to `ahead` more of the `quick` classes.

    Jobs whose class nobody registered are put off instead, unspent; see `_put_off`. With each go
    those behind it of the same class, so that many of them do not keep others waiting.
    """
    claims: list[Claim] = []
    reach("before_claim")
    with nullcontext() if engine.claims_alone else _transaction(engine):
        for _ in range(ROUNDS):
            beyond = max(0, len(claims) - free)
            found = _claim_some(
                engine, worker, queues, max(0, free - len(claims)), max(0, ahead - beyond), quick
            )
            unknown = {one.job_class for one in found if find(one.job_class) is None}
            claims += [one for one in found if one.job_class not in unknown]
            if not unknown:
                break
            more = _claim_some(engine, worker, queues, 0, PUT_OFF_AT_ONCE, sorted(unknown))
            with _transaction(engine):
                _put_off(engine, [one for one in found if one.job_class in unknown] + more)
        claims = _with_one_suspect(engine, worker, claims)
        if claims:
            reach("after_claim")
    return claims


def _with_one_suspect(engine: Engine, worker: UUID, claims: list[Claim]) -> list[Claim]:
    """Put off, unspent, all but one of the jobs that may have taken workers along.

    A worker holds one such job at a time; see `blaming`.
    """
    suspects = [one for one in claims if (one.losses or 0) >= SUSPECT]
    if not suspects:
        return claims
    others = Attempt.objects.using(engine.alias).filter(
        worker_id=worker, status=AttemptStatus.RUNNING, job__losses__gte=SUSPECT
    )
    holds = others.exclude(id__in=[one.attempt_id for one in suspects]).exists()
    surplus = suspects if holds else suspects[1:]
    if surplus:
        with _transaction(engine):
            jobs = _without_attempts(engine, {one.attempt_id: one.job_id for one in surplus})
            _postpone(jobs, engine.now() + timedelta(seconds=SUSPECT_PAUSE))
    return [one for one in claims if one not in surplus]


def _claim_some(
    engine: Engine, worker: UUID, queues: Sequence[str], free: int, ahead: int, quick: Sequence[str]
) -> list[Claim]:
    """Claim from as many queues at once as one statement takes; where there are more, in turns.

    Which of them come first is chance, so that none is always the last. Priorities hold among the
    queues of one statement.
    """
    at_once = engine.queues_at_once
    if len(queues) <= at_once:
        return engine.claim(worker, queues, free, ahead, quick)
    parts = [queues[start : start + at_once] for start in range(0, len(queues), at_once)]
    first, found = random.randrange(len(parts)), list[Claim]()
    for part in parts[first:] + parts[:first]:
        beyond = max(0, len(found) - free)
        found += engine.claim(
            worker, part, max(0, free - len(found)), max(0, ahead - beyond), quick
        )
        if found and len(found) >= free:
            break
    return sorted(found, key=lambda one: (-one.priority, one.run_at, one.job_id))


def _transaction(engine: Engine) -> transaction.Atomic:
    return transaction.atomic(using=engine.alias, savepoint=False)


def claim_job(engine: Engine, worker: UUID, job_id: int) -> Claim | None:
    """Claim one job by its id, if it is queued."""
    with _transaction(engine):
        workers = Worker.objects.using(engine.alias).filter(id=worker, status__in=LIVE_WORKERS)
        no_key = engine.connection.features.has_select_for_no_key_update
        if workers.select_for_update(no_key=no_key).first() is None:
            return None
        jobs = Job.objects.using(engine.alias)
        moved = jobs.filter(id=job_id, status=JobStatus.QUEUED).update(
            status=TRANSITIONS["claim"].target,
            attempts_made=F("attempts_made") + 1,
            started_at=None,
        )
        if not moved:
            return None
        job, now = jobs.get(id=job_id), engine.now()
        attempt = Attempt.objects.using(engine.alias).create(
            job=job,
            number=job.attempts_made,
            worker_id=worker,
            claimed_at=now,
            started_at=now if job.interruptions else None,
        )
    return Claim(
        attempt.pk,
        job.pk,
        attempt.number,
        job.job_class,
        job.queue,
        job.priority,
        job.run_at,
        msgspec.json.encode(job.arguments).decode(),
        job.attempts_spent,
        job.max_attempts,
        job.interruptions,
        job.losses,
    )


def unclaim(engine: Engine, worker: UUID, claims: Sequence[Claim]) -> int:
    """Give back jobs no process has got: as if they had never been claimed. Returns how many.

    A job that was to be cancelled meanwhile is cancelled by that.
    """
    with _transaction(engine):
        given_back = _unclaim(engine, worker, Q(id__in=[one.attempt_id for one in claims]))
        if given_back:
            engine.notify({one.queue for one in claims})
    return given_back


def unclaim_strays(engine: Engine, worker: UUID, held: Collection[int]) -> int:
    """Give back claims of a worker beyond those it knows to hold. Returns how many.

    A connection that breaks between a commit and its answer leaves such claims behind.
    """
    strays = ~Q(id__in=held)
    # Looking first: there are hardly ever any, and a transaction waits for every writer of SQLite.
    return _unclaim(engine, worker, strays) if _held_by(engine, worker, strays).exists() else 0


def _held_by(engine: Engine, worker: UUID, which: Q) -> QuerySet[Attempt]:
    rows = Attempt.objects.using(engine.alias)
    return rows.filter(which, worker_id=worker, status=AttemptStatus.RUNNING)


def _unclaim(engine: Engine, worker: UUID, which: Q) -> int:
    running = _held_by(engine, worker, which)
    with _transaction(engine):
        locked = running.select_for_update().order_by("id").values_list("id", "job_id")
        job_of = dict(locked)
        jobs = _without_attempts(engine, job_of)
        # The guard is in the first statement, so that a cancel in between is met by the second.
        jobs.filter(cancel_requested_at=None).update(
            status=TRANSITIONS["unclaim"].target, attempts_made=F("attempts_made") - 1
        )
        if stopped := list(jobs.values_list("job_class", "queue")):
            now, target = engine.now(), TRANSITIONS["stop"].target
            jobs.update(status=target, finished_at=now, attempts_made=F("attempts_made") - 1)
            count(engine, target, stopped, now)
    return len(job_of)


def _without_attempts(engine: Engine, job_of: Mapping[int, int]) -> QuerySet[Job]:
    """Delete attempts that nobody has begun, and return those of their jobs that are running."""
    Attempt.objects.using(engine.alias).filter(id__in=list(job_of)).delete()
    return Job.objects.using(engine.alias).filter(
        id__in=list(job_of.values()), status=JobStatus.RUNNING
    )


def _postpone(jobs: QuerySet[Job], until: datetime, **changes: Any) -> None:
    """Let claimed jobs wait whose attempts are deleted: those have never been."""
    jobs.update(
        status=TRANSITIONS["postpone"].target,
        attempts_made=F("attempts_made") - 1,
        run_at=until,
        **changes,
    )


def _put_off(engine: Engine, claims: Sequence[Claim]) -> None:
    """Let jobs of unknown classes wait, spending nothing, until their time is up; then fail them.

    A deploy may bring the class: a newer worker that knows it will take the job.
    """
    now, patience = engine.now(), conf.UNRESOLVED_TIMEOUT
    jobs = _without_attempts(engine, {one.attempt_id: one.job_id for one in claims})
    jobs.filter(unresolved_since=None).update(unresolved_since=now)
    for name in sorted({one.job_class for one in claims}):
        same = jobs.filter(job_class=name)
        why = f"no job class {name!r} is registered"
        changes: dict[str, Any] = {
            "error_type": UNKNOWN,
            "error_group": likeness(name, UNKNOWN, why).fingerprint,
        }
        late = same.filter(unresolved_since__lte=now - timedelta(seconds=patience))
        if failed := list(late.values_list("id", "queue")):
            late.update(
                status=TRANSITIONS["fail"].target,
                finished_at=now,
                attempts_made=F("attempts_made") - 1,
                error_message=f"{why}, nor was one within {patience:g} s",
                **changes,
            )
            count(engine, TRANSITIONS["fail"].target, [(name, queue) for _, queue in failed], now)
            errors = ErrorTally()
            for job_id, _ in failed:
                errors.add(name, UNKNOWN, why, job_id, now)
            errors.store(engine)
        shown = "; ".join(filter(None, [why, broken_module(name)]))[:LONGEST_ERROR]
        _postpone(same, now + timedelta(seconds=UNRESOLVED_PAUSE), error_message=shown, **changes)
