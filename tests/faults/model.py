"""The lifecycle once more, in memory and in few lines: what the real one is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobs.states import FINAL, AttemptStatus, JobStatus, Reason

MAX_INTERRUPTIONS = 2
SPENT, GIVEN_BACK = AttemptStatus.FAILED, AttemptStatus.RELEASED


@dataclass
class Model:
    """One job. `due` is in seconds from now; `attempts` are statuses by number."""

    max_attempts: int
    due: float
    status: str = JobStatus.QUEUED
    spent: int = 0
    interruptions: int = 0
    losses: int = 0
    made: int = 0
    cancelling: bool = False
    worker: int | None = None
    started: bool = False
    may_have_run: bool = False
    attempts: dict[int, str] = field(default_factory=dict)

    def claim(self, worker: int) -> None:
        self.status, self.made, self.worker = JobStatus.RUNNING, self.made + 1, worker
        self.started, self.may_have_run = self.interruptions > 0, False
        self.attempts[self.made] = AttemptStatus.RUNNING

    def unclaim(self) -> None:
        del self.attempts[self.made]
        self.made, self.worker = self.made - 1, None
        self.status = JobStatus.CANCELLED if self.cancelling else JobStatus.QUEUED

    def ran_when_lost(self, reason: str) -> bool:
        return self.started and reason in (Reason.WORKER_LOST, Reason.LAUNCHER_LOST)

    def end(self, how: str, reason: str, delay: float, guilty: Model | None = None) -> None:
        """Close the running attempt, and say what follows from how it ended."""
        lost = self.ran_when_lost(reason)
        gives_back = how == GIVEN_BACK or lost
        forgiven = guilty is not self if lost else self.interruptions < MAX_INTERRUPTIONS
        cost = 2 if lost and self.losses == 2 else 1
        self.attempts[self.made], self.worker = how, None
        if how == AttemptStatus.COMPLETED:
            self.status, self.spent = JobStatus.COMPLETED, self.spent + 1
        elif self.cancelling or how == AttemptStatus.CANCELLED:
            self.status = JobStatus.CANCELLED
        elif reason == Reason.POSTPONED:
            self.status, self.due = JobStatus.SCHEDULED, delay
        elif gives_back and forgiven:
            self.status, self.interruptions = JobStatus.QUEUED, self.interruptions + 1
            self.attempts[self.made] = GIVEN_BACK
            self.losses += (lost and self.losses < 2) or (self.may_have_run and not self.losses)
        else:
            self.attempts[self.made] = SPENT
            self.spent = min(self.spent + cost, self.max_attempts)
            self.losses = max(self.losses + 1, 3) if lost else self.losses
            is_last = self.spent >= self.max_attempts
            self.status, self.due = (JobStatus.FAILED if is_last else JobStatus.RETRYING), delay

    def cancel(self) -> bool:
        if self.status in FINAL or self.cancelling:
            return False
        if self.status == JobStatus.RUNNING:
            self.cancelling = True
        else:
            self.status = JobStatus.CANCELLED
        return True

    def retry(self) -> bool:
        if self.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            return False
        self.status, self.cancelling = JobStatus.QUEUED, False
        self.spent = self.interruptions = self.losses = 0
        return True


def guilty(lost: list[Model]) -> Model | None:
    """Return the one of the jobs that ran when their worker was lost which is charged with that."""
    suspects = [one for one in lost if one.losses >= 2] or [one for one in lost if one.losses]
    return suspects[0] if len(suspects) == 1 else None


COLUMNS = ("pk", "status", "attempts_spent", "interruptions", "losses", "attempts_made")


def as_row(item: tuple[int, Model]) -> tuple[int, dict[str, Any]]:
    pk, job = item
    values = (job.status, job.spent, job.interruptions, job.losses or None, job.made)
    return pk, dict(zip(COLUMNS[1:], values, strict=True))
