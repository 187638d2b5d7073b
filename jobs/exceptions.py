"""Every exception a user of the job system can meet."""

from __future__ import annotations


class JobError(Exception):
    """Base of the errors this package raises."""


class InvalidJobClass(JobError, TypeError):
    """A job class is declared in a way that cannot work."""


class InvalidArguments(JobError, TypeError):
    """The arguments of a job do not fit its annotated fields."""


class InvalidOption(JobError, ValueError):
    """An option of a job class, or of `dispatch()`, has an impossible value."""


class ResultNotStorable(JobError, TypeError):
    """What `handle()` returned cannot be kept as JSON."""


class UnknownJobClass(JobError, LookupError):
    """No job class is registered under a name."""


class AttemptSuperseded(JobError):
    """Another process has already decided how this attempt ended."""


class JobKilled(JobError):
    """The process of a job was killed or died; given to `failed()`."""


class WorkerLost(JobError):
    """The worker that ran a job disappeared; given to `failed()`."""


class JobInterruption(BaseException):
    """Base of what leaves `handle()` early; `except Exception` does not catch it."""


class JobCancelled(JobInterruption):
    """Raised inside `handle()` when somebody cancelled the job."""


class JobTimeout(JobInterruption):
    """Raised inside `handle()` when the job has run for longer than its timeout."""


class RetryLater(JobInterruption):
    """Leaves `handle()` to run again in `seconds`, spending no attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"asked to run again in {seconds:g} s")
        self.seconds = seconds


class JobFailed(JobInterruption):
    """Leaves `handle()` for good: the job fails, whatever attempts are left."""
