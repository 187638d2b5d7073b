"""Which workers live: registering, renewing the lease, leaving, and rescuing what a dead one held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from ..faultpoints import reach
from ..models import Attempt, CodeVersion, JobClass, Queue, Worker
from ..states import LIVE_WORKERS, AttemptStatus, Reason, WorkerStatus
from .auditing import record
from .engines import Engine, engine_for
from .engines.base import ORDERS
from .finishing import finish
from .records import Outcome, Settled


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one start of a worker from every other."""

    worker_id: UUID
    hostname: str
    host_id: str
    pid: int
    process_started: float
    queues: tuple[str, ...]
    concurrency: int
    version: str
    code_version: str = ""
    """Of the project's code; empty where it says none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker itself uses, without its jobs: bytes of resident memory, seconds of CPU."""

    rss: int
    cpu_seconds: float


def register(engine: Engine, identity: Identity, lease: float) -> None:
    """Enter a worker, alive for `lease` seconds from now. Doing it again changes nothing."""
    now = engine.now()
    worker = Worker(
        id=identity.worker_id,
        hostname=identity.hostname,
        host_id=identity.host_id,
        pid=identity.pid,
        process_started=identity.process_started,
        queues=list(identity.queues),
        concurrency=identity.concurrency,
        version=identity.version,
        started_at=now,
        beat_at=now,
        lease_expires_at=now + timedelta(seconds=lease),
    )
    if identity.code_version:
        version = CodeVersion(name=identity.code_version, first_started_at=now)
        CodeVersion.objects.using(engine.alias).bulk_create([version], ignore_conflicts=True)
    # A connection may break between the commit and its answer: then this is asked once more.
    Worker.objects.using(engine.alias).bulk_create([worker], ignore_conflicts=True)


def renew(
    engine: Engine, worker: UUID, lease: float, *, draining: bool, usage: Usage | None = None
) -> bool:
    """Prolong a worker's lease to `lease` seconds from now, and note what it uses.

    Returns False where it has been declared lost: what it held is others' now.
    """
    now = engine.now()
    used = {} if usage is None else {"rss": usage.rss, "cpu_seconds": usage.cpu_seconds}
    return bool(
        Worker.objects.using(engine.alias)
        .filter(id=worker, status__in=LIVE_WORKERS)
        .update(
            beat_at=now,
            lease_expires_at=now + timedelta(seconds=lease),
            status=WorkerStatus.DRAINING if draining else WorkerStatus.RUNNING,
            **used,
        )
    )


def drain(worker: UUID, *, by: Any = None, using: str | None = None) -> bool:
    """Ask a worker to finish what it runs, to take no more, and to leave.

    It learns of it at once where it listens, else with its next heartbeat. `by` is the user it is
    recorded for. Returns whether this call asked for it: False means that it had been asked already,
    was leaving anyway, or is gone.
    """
    engine = engine_for(using)
    return engine.insist(lambda: _drain(engine, worker, by, engine.now()))


def drain_asked(engine: Engine, worker: UUID) -> bool:
    """Whether somebody has asked this worker to leave."""
    rows = Worker.objects.using(engine.alias).filter(id=worker)
    return rows.filter(drain_requested_at__isnull=False).exists()


def forget(worker: UUID, *, by: Any = None, using: str | None = None) -> bool:
    """Take a worker that has stopped, or was lost and rescued, off the list of workers.

    Returns whether it was there to be forgotten: one that may still hold jobs is not.
    """
    engine = engine_for(using)
    return engine.insist(lambda: _forget(engine, worker, by, engine.now()))


def leave(engine: Engine, worker: UUID) -> None:
    """Enter that a worker has stopped in order, holding nothing.

    One that had to leave attempts behind only ends its lease: the next to look rescues them.
    """
    now = engine.now()
    with transaction.atomic(using=engine.alias, savepoint=False):
        here = Worker.objects.using(engine.alias).filter(id=worker, status__in=LIVE_WORKERS)
        here.update(lease_expires_at=now)
        here.exclude(attempts__status=AttemptStatus.RUNNING).update(
            status=WorkerStatus.STOPPED, stopped_at=now
        )


def neighbours(engine: Engine, identity: Identity) -> list[Worker]:
    """Return the other workers of the same host whose rows say that they live."""
    rows = Worker.objects.using(engine.alias).filter(status__in=LIVE_WORKERS)
    return list(rows.filter(host_id=identity.host_id).exclude(id=identity.worker_id))


def expired(engine: Engine, at: datetime) -> list[Worker]:
    """Return the workers whose lease has run out at a time by the database's clock."""
    rows = Worker.objects.using(engine.alias).filter(status__in=LIVE_WORKERS)
    return list(rows.filter(lease_expires_at__lt=at))


def is_served(queue: str, using: str | None = None) -> bool:
    """Whether a worker that serves `queue` lives: its row says so, and its lease has not run out."""
    engine = engine_for(using)
    rows = Worker.objects.using(engine.alias).filter(
        status__in=LIVE_WORKERS, lease_expires_at__gte=engine.now()
    )
    return any(not queues or queue in queues for queues in rows.values_list("queues", flat=True))


def rescue(engine: Engine, dead: UUID, *, gone: bool = False) -> list[Settled] | None:
    """Declare a worker lost and take its attempts away from it.

    Only where its lease has run out by the database's clock, unless the caller has seen that its
    process is `gone`. An attempt that had not started is given back; one that had is given back or
    spent, by the rules of `finishing`. Returns what became of them, or None where the worker was
    not dead.
    """
    now = engine.now()
    with transaction.atomic(using=engine.alias, savepoint=False):
        workers = Worker.objects.using(engine.alias).filter(id=dead, status__in=LIVE_WORKERS)
        if not gone:
            workers = workers.filter(lease_expires_at__lt=now)
        if not workers.update(status=WorkerStatus.LOST, stopped_at=now):
            return None
        reach("during_rescue")
        held = Attempt.objects.using(engine.alias).filter(
            worker_id=dead, status=AttemptStatus.RUNNING
        )
        best_first = held.select_related("job").order_by("-job__priority", "job__run_at", "job_id")
        outcomes = [_lost(attempt, now) for attempt in best_first]
        _mark_what_may_have_run(outcomes, Worker.objects.using(engine.alias).get(id=dead))
        settled = [one for one in finish(engine, dead, outcomes) if one]
        became = dict(Counter(one.job_status.value for one in settled))
        Worker.objects.using(engine.alias).filter(id=dead).update(rescued=became)
        return settled


def _drain(engine: Engine, worker: UUID, by: Any, now: datetime) -> bool:
    rows = Worker.objects.using(engine.alias).filter(id=worker, status=WorkerStatus.RUNNING)
    moved = rows.filter(drain_requested_at=None).update(drain_requested_at=now)
    if moved:
        record(engine, "drain", by, now, subject=_name_of(engine, worker))
        engine.notify([ORDERS])
    return bool(moved)


def _forget(engine: Engine, worker: UUID, by: Any, now: datetime) -> bool:
    rows = Worker.objects.using(engine.alias).filter(id=worker).exclude(status__in=LIVE_WORKERS)
    moved = rows.filter(forgotten_at=None).update(forgotten_at=now)
    if moved:
        record(engine, "forget", by, now, subject=_name_of(engine, worker))
    return bool(moved)


def _name_of(engine: Engine, worker: UUID) -> str:
    return str(Worker.objects.using(engine.alias).get(id=worker))


def _lost(attempt: Attempt, now: datetime) -> Outcome:
    started = attempt.started_at is not None
    return Outcome(
        attempt_id=attempt.pk,
        job_id=attempt.job_id,
        job_class=attempt.job.job_class,
        number=attempt.number,
        status=AttemptStatus.FAILED if started else AttemptStatus.RELEASED,
        queue=attempt.job.queue,
        due_at=attempt.job.run_at,
        reason=Reason.WORKER_LOST,
        started_at=attempt.started_at,
        finished_at=now,
        cpu_seconds=attempt.cpu_seconds,
        peak_rss=attempt.peak_rss,
        samples=attempt.samples,
        error_type="WorkerLost" if started else "",
        error_message="the worker that ran it disappeared" if started else "",
    )


def _mark_what_may_have_run(outcomes: Sequence[Outcome], dead: Worker) -> None:
    """Mark those that its processes may have begun in the moment before a start is recorded.

    It had no more processes than its concurrency, and they begin with the best.
    """
    begun = sum(one.started_at is not None for one in outcomes)
    unseen = [one for one in outcomes if one.started_at is None]
    for one in unseen[: max(0, dead.concurrency - begun)]:
        one.may_have_run = True


def enter_names(engine: Engine, queues: Iterable[str], classes: Iterable[str]) -> None:
    """Enter queues and job classes seen for the first time."""
    Queue.objects.using(engine.alias).bulk_create(
        [Queue(name=name) for name in sorted(queues)], ignore_conflicts=True
    )
    JobClass.objects.using(engine.alias).bulk_create(
        [JobClass(name=name) for name in sorted(classes)], ignore_conflicts=True
    )


def known_queues(engine: Engine) -> list[str]:
    """Return the names of all queues ever seen."""
    return list(Queue.objects.using(engine.alias).values_list("name", flat=True))
