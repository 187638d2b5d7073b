"""Rows in any state, written directly: the only test module that may set a status."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from jobs.models import (
    Attempt,
    AuditEntry,
    Job,
    JobClass,
    Operation,
    OutputChunk,
    Queue,
    Tag,
    Worker,
)
from jobs.output import Line, decode, encode, source_bits
from jobs.states import FINAL, AttemptStatus, JobStatus, WorkerStatus


def make_job(status: str = JobStatus.QUEUED, tags: Sequence[str] = (), **values: Any) -> Job:
    """Store one job that satisfies every constraint of its status."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "job_class": "shop.SendInvoice",
        "run_at": now,
        "created_at": now,
        "max_attempts": 3,
    }
    if status in FINAL:
        defaults |= {"started_at": now - timedelta(seconds=2), "finished_at": now}
    elif status == JobStatus.RUNNING:
        defaults |= {"started_at": now - timedelta(seconds=2)}
    job = Job.objects.create(status=status, **(defaults | values))
    Tag.objects.bulk_create(Tag(job=job, job_number=job.pk, name=name) for name in tags)
    return job


def make_attempt(job: Job, status: str = AttemptStatus.COMPLETED, **values: Any) -> Attempt:
    """Store the next attempt of `job`, and count it there."""
    now = timezone.now()
    job.attempts_made += 1
    Job.objects.filter(pk=job.pk).update(attempts_made=job.attempts_made)
    defaults: dict[str, Any] = {
        "number": job.attempts_made,
        "claimed_at": now - timedelta(seconds=3),
        "started_at": now - timedelta(seconds=2),
        "finished_at": None if status == AttemptStatus.RUNNING else now,
        "pid": 4711,
    }
    return Attempt.objects.create(job=job, status=status, **(defaults | values))


def make_output(attempt: Attempt, *pieces: tuple[str, str], gap: int = 0) -> OutputChunk:
    """Append one chunk of (source, text) pieces; `gap` bytes before it were not kept."""
    last = attempt.chunks.order_by("-position").first()
    position = (last.position + last.size if last else 0) + gap
    size = sum(len(text.encode()) for _, text in pieces)
    start = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1000
    lines = [Line(int(start) + n, source, text) for n, (source, text) in enumerate(pieces)]
    first, continues = last.last_line + 1 if last else 1, False
    if last and gap == 0:
        ended = decode(last.entries)[-1]
        continues = not ended.text.endswith("\n") and ended.source == pieces[0][0]
        first -= continues
    attempt.output_bytes = position + size
    attempt.output_dropped += gap
    attempt.save(update_fields=["output_bytes", "output_dropped"])
    return OutputChunk.objects.create(
        attempt=attempt,
        position=position,
        size=size,
        entries=encode(lines),
        first_line=first,
        last_line=first + lines_begun(pieces) - 1,
        continues=continues,
        sources=source_bits(source for source, _ in pieces),
    )


def lines_begun(pieces: Sequence[tuple[str, str]]) -> int:
    """Return how many lines there are in pieces; another source begins another line."""
    count, before = 0, ""
    for source, text in pieces:
        count += text.count("\n") + (not text.endswith("\n")) - (before == source)
        before = "" if text.endswith("\n") else source
    return count


def make_worker(status: str = WorkerStatus.RUNNING, **values: Any) -> Worker:
    now = timezone.now()
    defaults: dict[str, Any] = {
        "id": uuid.uuid4(),
        "hostname": "alpha",
        "pid": 100,
        "process_started": 0.0,
        "concurrency": 2,
        "version": "0.1.0",
        "started_at": now,
        "beat_at": now,
        "lease_expires_at": now + timedelta(seconds=60),
    }
    return Worker.objects.create(status=status, **(defaults | values))


def make_audit(job: Job, action: str = "retry", **values: Any) -> AuditEntry:
    defaults = {"status": job.status, "actor_name": "ana", "at": timezone.now()}
    return AuditEntry.objects.create(job=job, action=action, **(defaults | values))


def make_operation(kind: str = "retry", **values: Any) -> Operation:
    """Store an operation on all jobs that nobody has begun with."""
    defaults: dict[str, Any] = {
        "selection": {},
        "asked_at": timezone.now(),
        "last_job": 10**9,
        "estimated": 12,
        "actor_name": "ana",
    }
    return Operation.objects.create(kind=kind, **(defaults | values))


def make_names(classes: tuple[str, ...] = (), queues: tuple[str, ...] = ()) -> None:
    """Store the names that the filters offer."""
    JobClass.objects.bulk_create([JobClass(name=name) for name in classes])
    Queue.objects.bulk_create([Queue(name=name) for name in queues])


def make_user(*codenames: str, **values: Any) -> User:
    """Store a user with exactly these permissions of ours."""
    defaults = {"username": f"user{User.objects.count()}", "password": "secret"}
    user = User.objects.create_user(**(defaults | values))
    found = Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames)
    assert {permission.codename for permission in found} == set(codenames)
    user.user_permissions.set(found)
    return user
