"""What a job can say and ask while it runs."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, Protocol

from .arguments import encode_result
from .exceptions import JobError, JobFailed, RetryLater
from .options import seconds_of
from .output import clean

LONGEST_MESSAGE = 500
"""Characters kept of the message of a progress report."""


class Run(Protocol):
    """The attempt that is running a job: what its helpers stand on."""

    job_id: int
    attempt: int

    def report_progress(self, done: int, total: int | None, message: str) -> None: ...

    def complete_in_transaction(self, result: str | None) -> AbstractContextManager[None]: ...


class InsideHandle:
    """The helpers of `BackgroundJob` that work only inside `handle()`."""

    job_name: ClassVar[str]
    _run: Run | None = None

    @property
    def job_id(self) -> int:
        """Id of the job that is running."""
        return self._running("job_id").job_id

    @property
    def attempt(self) -> int:
        """Number of the attempt that is running, from 1; a retry by hand goes on counting."""
        return self._running("attempt").attempt

    @property
    def idempotency_key(self) -> str:
        """A text that is the same in all attempts and retries of a job, and of no other job."""
        return f"job-{self._running('idempotency_key').job_id}"

    def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Show how far the job is: `done` of `total` steps, and a short text."""
        run = self._running("progress()")
        text = clean(str(message))[:LONGEST_MESSAGE]
        run.report_progress(int(done), None if total is None else int(total), text)

    def retry_later(self, seconds: float | timedelta) -> NoReturn:
        """Leave `handle()` and run the job again in `seconds`, spending no attempt."""
        self._running("retry_later()")
        raise RetryLater(seconds_of(self.job_name, "retry_later", seconds))

    def fail(self, reason: str) -> NoReturn:
        """Leave `handle()` and fail the job for good, whatever attempts are left."""
        self._running("fail()")
        raise JobFailed(reason)

    def complete_in_transaction(self, result: Any = None) -> AbstractContextManager[None]:
        """Open a transaction at whose end the job is recorded as completed, with `result`.

        What the block writes, on the database alias of the jobs, and the outcome are committed
        together: the effect happens once, or not at all. Raises AttemptSuperseded at the end of the
        block if the attempt was decided elsewhere, and ResultNotStorable before it.
        """
        run = self._running("complete_in_transaction()")
        return run.complete_in_transaction(None if result is None else encode_result(result))

    def _running(self, what: str) -> Run:
        if self._run is None:
            raise JobError(f"{type(self).__name__}.{what} works only inside handle()")
        return self._run
