"""The states of jobs, attempts and workers, and every move between them.

This is the one place that says which transitions exist; `docs/states.md` draws it.
Only `jobs.lifecycle` writes a status, and each of its verbs carries out one `Transition`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class JobStatus(TextChoices):
    """Where a job stands."""

    SCHEDULED = "scheduled", _("Scheduled")
    """Due later; nothing has failed."""
    QUEUED = "queued", _("Queued")
    """Due: the next free worker takes it."""
    RUNNING = "running", _("Running")
    """Claimed by a worker; its last attempt says by which."""
    RETRYING = "retrying", _("Retrying")
    """Due later, after an attempt that failed."""
    COMPLETED = "completed", _("Completed")
    """`handle()` returned."""
    FAILED = "failed", _("Failed")
    """No attempt is left."""
    CANCELLED = "cancelled", _("Cancelled")
    """Somebody stopped it."""


class AttemptStatus(TextChoices):
    """How one try at a job stands or ended."""

    RUNNING = "running", _("Running")
    """Claimed; `started_at` is empty until a process has it."""
    COMPLETED = "completed", _("Completed")
    """`handle()` returned."""
    FAILED = "failed", _("Failed")
    """It spent one of the job's attempts; `reason` says how."""
    CANCELLED = "cancelled", _("Cancelled")
    """It ended because the job was cancelled."""
    RELEASED = "released", _("Released")
    """Given back without spending an attempt."""


class Reason(TextChoices):
    """Why an attempt ended as it did."""

    NONE = "", _("none")
    EXCEPTION = "exception", _("exception")
    GAVE_UP = "gave_up", _("the job gave up")
    TIMEOUT = "timeout", _("timeout")
    MEMORY = "memory", _("memory limit")
    SIGNAL = "signal", _("killed by a signal")
    EXITED = "exited", _("exited without an outcome")
    BROKEN = "broken", _("its process spoke nonsense")
    ARGUMENTS = "arguments", _("arguments no longer fit")
    RESULT = "result", _("result cannot be stored")
    WORKER_LOST = "worker_lost", _("worker lost")
    LAUNCHER_LOST = "launcher_lost", _("launcher lost")
    SHUTDOWN = "shutdown", _("worker shut down")
    POSTPONED = "postponed", _("asked to run later")
    CANCELLED = "cancelled", _("cancelled")


class WorkerStatus(TextChoices):
    """Where a worker stands."""

    RUNNING = "running", _("Running")
    """Claims jobs and renews its lease."""
    DRAINING = "draining", _("Draining")
    """Finishes what it has and claims no more."""
    STOPPED = "stopped", _("Stopped")
    """Left in order, holding nothing."""
    LOST = "lost", _("Lost")
    """Its lease ran out or its process is gone; what it held was rescued."""


class OperationKind(TextChoices):
    """What is asked for many jobs at once."""

    RETRY = "retry", _("Retry")
    CANCEL = "cancel", _("Cancel")


class OperationStatus(TextChoices):
    """Where an operation on many jobs stands."""

    WAITING = "waiting", _("Waiting")
    """No worker has begun with it."""
    RUNNING = "running", _("Running")
    """Workers carry it out, step by step."""
    COMPLETED = "completed", _("Completed")
    """Every job it was asked for was dealt with."""
    STOPPED = "stopped", _("Stopped")
    """Somebody stopped it; what it had done stays done."""
    FAILED = "failed", _("Failed")
    """A step could not be carried out; `error` says why."""


WAITING = frozenset({JobStatus.SCHEDULED, JobStatus.RETRYING})
"""Due later: a worker promotes them to QUEUED when their time has come."""
PENDING = WAITING | {JobStatus.QUEUED}
"""Not yet claimed."""
FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
"""`finished_at` is set in exactly these."""
RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})
"""What `retry` accepts."""
CANCELLABLE = PENDING | {JobStatus.RUNNING}
"""What `cancel` accepts; a running job is first asked to stop."""
LIVE_WORKERS = frozenset({WorkerStatus.RUNNING, WorkerStatus.DRAINING})
OPEN_OPERATIONS = frozenset({OperationStatus.WAITING, OperationStatus.RUNNING})
"""`finished_at` is set in all others."""


@dataclass(frozen=True)
class Transition:
    """One verb of the lifecycle: the job statuses it expects, and the one it leaves."""

    sources: frozenset[JobStatus]
    target: JobStatus


_RUNNING = frozenset({JobStatus.RUNNING})

TRANSITIONS: dict[str, Transition] = {
    "promote": Transition(WAITING, JobStatus.QUEUED),
    "claim": Transition(frozenset({JobStatus.QUEUED}), JobStatus.RUNNING),
    "unclaim": Transition(_RUNNING, JobStatus.QUEUED),
    "release": Transition(_RUNNING, JobStatus.QUEUED),
    "postpone": Transition(_RUNNING, JobStatus.SCHEDULED),
    "complete": Transition(_RUNNING, JobStatus.COMPLETED),
    "back_off": Transition(_RUNNING, JobStatus.RETRYING),
    "fail": Transition(_RUNNING, JobStatus.FAILED),
    "stop": Transition(_RUNNING, JobStatus.CANCELLED),
    "cancel": Transition(PENDING, JobStatus.CANCELLED),
    "retry": Transition(RETRYABLE, JobStatus.QUEUED),
    "retry_at": Transition(RETRYABLE, JobStatus.SCHEDULED),
}
"""Verb → transition. `claim` for one job by id (`execute`) also takes WAITING jobs, by promoting them first."""
