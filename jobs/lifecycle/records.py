"""What goes into the lifecycle's verbs and what comes out of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ..states import AttemptStatus, JobStatus, Reason


class JobSpec(NamedTuple):
    """A job to be stored. `arguments` are encoded; `run_at` or `delay` (seconds) or neither is given."""

    job_class: str
    queue: str
    priority: int
    arguments: dict[str, Any]
    run_at: datetime | None
    delay: float | None
    max_attempts: int
    tags: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A job a worker has claimed, with the attempt that was opened for it."""

    attempt_id: int
    job_id: int
    number: int
    job_class: str
    queue: str
    priority: int
    run_at: datetime
    arguments: str
    """JSON text, as stored."""
    attempts_spent: int
    max_attempts: int
    interruptions: int
    losses: int | None = None


class Start(NamedTuple):
    """An attempt that a process has got."""

    attempt_id: int
    job_id: int
    at: datetime
    pid: int


class Measurement(NamedTuple):
    """What a running attempt has taken so far."""

    attempt_id: int
    cpu_seconds: float
    peak_rss: int
    """Bytes."""
    samples: dict[str, Any]
    """As stored on the attempt."""


class Outcome(msgspec.Struct, kw_only=True):
    """How an attempt ended, as its worker saw it. Times are aware; sizes are bytes."""

    attempt_id: int
    job_id: int
    job_class: str
    number: int
    status: AttemptStatus
    finished_at: datetime
    queue: str = ""
    due_at: datetime | None = None
    reason: Reason = Reason.NONE
    started_at: datetime | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    error_type: str = ""
    error_message: str = ""
    traceback: str = ""
    cpu_seconds: float | None = None
    peak_rss: int | None = None
    receipt: dict[str, Any] | None = None
    samples: dict[str, Any] | None = None
    """As stored on the attempt."""
    output_bytes: int = 0
    output_dropped: int = 0
    result: str | None = None
    """JSON text."""
    delay: float | None = None
    """Seconds until the next try, where the job itself has said so."""
    final: bool = False
    """Whether the job fails for good, whatever attempts are left."""
    may_have_run: bool = False
    """Whether it was lost with its worker and, although no start was recorded, may have begun."""


class Settled(NamedTuple):
    """What recording an outcome made of its job."""

    attempt_id: int
    job_id: int
    job_class: str
    number: int
    attempt_status: AttemptStatus
    reason: Reason
    job_status: JobStatus
    runs_hook: bool
    """Whether `failed()` is now due, by the worker that recorded it."""


class CancelRequest(NamedTuple):
    """That a running attempt is to be stopped."""

    attempt_id: int
    at: datetime
    by: str
    """Name of the user who asked; empty where none was given."""
