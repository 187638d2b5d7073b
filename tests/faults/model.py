"""The lifecycle once more, in memory and in few lines: what the real one is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    made: int = 0
    cancelling: bool = False
    worker: int | None = None
    started: bool = False
    attempts: dict[int, str] = field(default_factory=dict)

    def claim(self, worker: int) -> None:
        self.status, self.made, self.worker = JobStatus.RUNNING, self.made + 1, worker
        self.started = self.interruptions > 0
        self.attempts[self.made] = AttemptStatus.RUNNING

    def unclaim(self) -> None:
        del self.attempts[self.made]
        self.made, self.worker = self.made - 1, None
        self.status = JobStatus.CANCELLED if self.cancelling else JobStatus.QUEUED

    def end(self, how: str, reason: str, delay: float) -> None:
        """Close the running attempt, and say what follows from how it ended."""
        lost = self.started and reason in (Reason.WORKER_LOST, Reason.LAUNCHER_LOST)
        gives_back = how == GIVEN_BACK or lost
        forgiven = self.interruptions < (1 if lost else MAX_INTERRUPTIONS)
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
        else:
            self.attempts[self.made], self.spent = SPENT, self.spent + 1
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
        self.spent = self.interruptions = 0
        return True
