"""What lives beside the finished jobs: a worker with its jobs, a backlog, output, and what people did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from jobs.models import Attempt, AuditEntry, Job, Operation, OutputChunk, Queue, SavedView, Worker
from jobs.output import Line, encode, source_bits
from jobs.states import AttemptStatus, JobStatus, OperationStatus, WorkerStatus

from ..history import CLASSES, QUEUES

HOST = "live-1"
PAUSED = "reports"
BACKLOG = {JobStatus.QUEUED: 3_000, JobStatus.SCHEDULED: 200, JobStatus.RETRYING: 100}
RUNNING, CHILDREN = 8, 12
GONE, AUDITED, OPERATIONS, VIEWS = 60, 1_000, 60, 3
WITH_OUTPUT, PIECES = 2_000, 3
"""Of the latest attempts, and pieces of output that each of them has."""
LONG_LOG = 3_000
"""Pieces of output of an attempt that runs, and writes much."""
LINES = 40
"""Lines of one piece."""
LEASE = timedelta(hours=12)
"""Longer than a run, in which no heartbeat renews it."""


def settle() -> None:
    """Store what lives, or bring what an earlier run stored up to the present."""
    if not Worker.objects.filter(hostname=HOST).exists():
        worker = _workers()
        _people(_backlog() + _running(worker))
        _outputs()
    now = timezone.now()
    Worker.objects.filter(hostname=HOST).update(beat_at=now, lease_expires_at=now + LEASE)


def visitor() -> User:
    """Return the user who asks for the pages, and may see everything."""
    may = {"is_superuser": True, "is_staff": True}
    return User.objects.get_or_create(username="bench", defaults=may)[0]


def _workers() -> Worker:
    now = timezone.now()
    common: dict[str, Any] = {"process_started": 0.0, "concurrency": 8, "version": "0"}
    for number in range(GONE):
        at = now - timedelta(hours=number + 1)
        times = dict.fromkeys(("started_at", "beat_at", "lease_expires_at", "stopped_at"), at)
        gone = Worker(hostname=f"gone-{number}", host_id="gone", pid=number, **common, **times)
        gone.status = WorkerStatus.STOPPED
        gone.save(force_insert=True)
    times = dict.fromkeys(("started_at", "beat_at", "lease_expires_at"), now)
    return Worker.objects.create(hostname=HOST, host_id="live", pid=1, **common, **times)


def _jobs(status: JobStatus, count: int, now: datetime, **more: Any) -> list[Job]:
    ahead = timedelta(hours=1 if status in (JobStatus.SCHEDULED, JobStatus.RETRYING) else -1)
    return Job.objects.bulk_create(
        Job(
            job_class=CLASSES[n % len(CLASSES)],
            queue=QUEUES[n % len(QUEUES)],
            arguments={"order_id": n},
            status=status,
            run_at=now + ahead + timedelta(seconds=n),
            created_at=now,
            max_attempts=3,
            **more,
        )
        for n in range(count)
    )


def _backlog() -> list[Job]:
    now = timezone.now()
    made = {status: _jobs(status, count, now) for status, count in BACKLOG.items()}
    some = Queue.objects.filter(name=PAUSED)
    some.update(paused_at=now, paused_by="bench", pause_reason="to see what it looks like")
    return made[JobStatus.QUEUED]


def _running(worker: Worker) -> list[Job]:
    now = timezone.now()
    progress = {"done": 3, "total": 10, "message": "half of it"}
    jobs = _jobs(
        JobStatus.RUNNING, RUNNING, now, started_at=now, attempts_made=1, progress=progress
    )
    points = [[float(n), 50_000_000 + n, n / 2] for n in range(120)]
    running = [
        Attempt(
            job=job,
            number=1,
            status=AttemptStatus.RUNNING,
            worker=worker,
            pid=100,
            claimed_at=now,
            started_at=now,
            samples={"memory_limit": None, "points": points},
        )
        for job in jobs
    ]
    Attempt.objects.bulk_create(running)
    _jobs(JobStatus.SCHEDULED, CHILDREN, now, parent_id=jobs[0].pk)
    return jobs


def _people(jobs: list[Job]) -> None:
    """Have somebody change jobs, one by one and many at once, and keep views of the list."""
    now = timezone.now()
    selection = {"status": "failed", "job_class": CLASSES[0]}
    Operation.objects.bulk_create(
        Operation(
            kind="retry",
            selection=selection,
            asked_at=now,
            last_job=0,
            estimated=10,
            done=10,
            status=OperationStatus.COMPLETED,
            actor_name="bench",
            finished_at=now,
        )
        for _ in range(OPERATIONS)
    )
    AuditEntry.objects.bulk_create(
        AuditEntry(job=jobs[n % len(jobs)], action="retry", actor_name="bench", at=now)
        for n in range(AUDITED)
    )
    owner = str(visitor().pk)
    SavedView.objects.bulk_create(
        SavedView(owner_id=owner, name=f"view {n}", query=f"?status=failed&queue={QUEUES[n]}")
        for n in range(VIEWS)
    )


def _outputs() -> None:
    running = Attempt.objects.filter(status=AttemptStatus.RUNNING).order_by("pk")
    long = running.values_list("pk", flat=True)[:1]
    ended = Attempt.objects.exclude(status=AttemptStatus.RUNNING).order_by("-pk")
    latest = reversed(ended.values_list("pk", flat=True)[:WITH_OUTPUT])
    for attempts, count in ((long, LONG_LOG), (latest, PIECES)):
        pieces = (piece for attempt in attempts for piece in _pieces(attempt, count))
        OutputChunk.objects.bulk_create(pieces, batch_size=500)


def _pieces(attempt: int, count: int) -> Iterator[OutputChunk]:
    """Yield the output of an attempt, with a warning in each tenth piece."""
    position, now = 0, int(timezone.now().timestamp() * 1000)
    for place in range(count):
        source = "out" if place % 10 else "warning"
        texts = [f"order {attempt} of line {place * LINES + n} is done\n" for n in range(LINES)]
        size = sum(map(len, texts))
        yield OutputChunk(
            attempt_id=attempt,
            position=position,
            size=size,
            first_line=place * LINES + 1,
            last_line=(place + 1) * LINES,
            sources=source_bits([source]),
            entries=encode(Line(now, source, text) for text in texts),
        )
        position += size
