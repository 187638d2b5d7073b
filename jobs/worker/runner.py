"""Running one attempt in a child: a straight line of named steps."""

from __future__ import annotations

import contextvars
import inspect
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..arguments import encode_result
from ..exceptions import (
    InvalidArguments,
    JobCancelled,
    JobFailed,
    JobInterruption,
    JobKilled,
    JobTimeout,
    ResultNotStorable,
    RetryLater,
    WorkerLost,
)
from ..faultpoints import reach
from ..origins import of_job
from ..registry import get
from ..states import AttemptStatus, Reason
from . import errors
from .capture import flush
from .cleanliness import Surroundings
from .coroutines import run_coroutine
from .protocol import ChildOrder, Done, Progress, Run, RunHook, Stop
from .reporting import ReportingChannel
from .transactions import completing

if TYPE_CHECKING:
    from ..job import BackgroundJob

PROGRESS_EVERY = 0.1
"""Seconds between two reports of progress; those in between are dropped, the last one never."""


class Runner:
    """Runs attempts in the main thread, where a signal can interrupt them."""

    channel: ReportingChannel
    """Set by the process it comes to run in."""

    def __init__(self) -> None:
        self.make = make
        """Makes a job of its class's name and its arguments."""
        self.surroundings = Surroundings()
        self.order: Run | None = None
        self.job: BackgroundJob | None = None
        self.error: BaseException | None = None
        self.asked: JobInterruption | None = None
        """To be raised as soon as the job can be interrupted."""
        self.interruption: JobInterruption | None = None
        """Was raised in the job: its attempt ends by it, whatever the job does next."""
        self.interruptible = False
        self.completed = False
        """Whether the job has recorded its own completion."""
        self.running = False
        """Whether an attempt runs here: only then is the channel this object's to read."""
        self.task: Any = None
        self.cpu_before = 0.0
        self.progressed_at = 0.0
        self.progress: Progress | None = None

    # -- an attempt --------------------------------------------------------------------------------

    def run(self, order: Run, came_with: Sequence[ChildOrder]) -> bool:
        """Run one attempt and report how it ended. Returns whether this process has to leave now.

        `came_with` are the orders that were read together with this one.
        """
        self.order, self.job, self.error = order, None, None
        self.asked = self.interruption = None
        self.completed = False
        self.cpu_before = cpu_seconds()
        self.surroundings.prepare(leaves=order.fresh)
        self.running = True
        # The signal of a stop that was sent before now has come to nothing.
        self._ask([*came_with, *self._orders()])
        with of_job(order.job_id, order.job_class):
            done = contextvars.Context().run(self._attempt, order)
        self.running = False
        self._finish(done, order.fresh)
        # After a failure `failed()` may be still to run, best on the same instance.
        return done.retire == "fresh" and done.status == AttemptStatus.COMPLETED

    def _attempt(self, order: Run) -> Done:
        done = Done(order.attempt_id)
        reach("before_handle")
        try:
            self.job = self._load(order.job_class, order.arguments, order)
            result = self._handle(self.job)
            done.result = None if result is None else encode_result(result)
            if self.interruption is not None:
                raise self.interruption
        except BaseException as error:
            self.interruptible = False
            if self.completed:
                errors.show(error, "raised after the job had been completed")
            else:
                self._explain(done, error)
        return done

    def _load(self, job_class: str, arguments: str, order: Run | RunHook) -> BackgroundJob:
        job = self.make(job_class, arguments)
        job._run = RunningJob(self, order)
        return job

    def _handle(self, job: BackgroundJob) -> Any:
        try:
            self.interruptible = True
            if self.asked is not None:
                self.interruption = self.asked
                raise self.interruption
            result = job.handle()
            if inspect.iscoroutine(result):
                result = run_coroutine(result, self)
            return result
        finally:
            self.interruptible = False

    def _explain(self, done: Done, error: BaseException) -> None:
        """Write into `done` what an exception that left the job means."""
        self.error = error
        done.error_type, done.error_message = errors.name(error), errors.message(error)
        done.status, done.reason = AttemptStatus.FAILED, Reason.EXCEPTION
        stop = self.interruption
        if isinstance(stop, JobCancelled):
            done.status, done.reason = AttemptStatus.CANCELLED, Reason.CANCELLED
        elif isinstance(stop, JobTimeout):
            done.reason = Reason.TIMEOUT
            done.error_type, done.error_message = errors.name(stop), errors.message(stop)
        elif isinstance(error, RetryLater):
            done.status, done.reason = AttemptStatus.RELEASED, Reason.POSTPONED
            done.delay, done.error_type, done.error_message = error.seconds, "", str(error)
            return
        elif isinstance(error, JobFailed):
            done.reason, done.final = Reason.GAVE_UP, True
        elif isinstance(error, InvalidArguments) and self.job is None:
            done.reason, done.final = Reason.ARGUMENTS, True
        elif isinstance(error, ResultNotStorable):
            done.reason, done.final = Reason.RESULT, True
        done.traceback = errors.traceback(error)
        if done.status == AttemptStatus.FAILED and not done.final:
            done.delay = self._delay(error)

    def _delay(self, error: BaseException) -> float | None:
        """Ask the job's own `retry_delay` method, where it has one."""
        job, order = self.job, self.order
        if job is None or order is None or not type(job).has_retry_method():
            return None
        try:
            method: Any = job.retry_delay
            return max(0.0, float(method(order.number, error)))
        except Exception as failure:
            errors.show(failure, "retry_delay raised, so the setting holds")
            return None

    def _finish(self, done: Done, fresh: bool) -> None:
        self._send_progress()
        done.retire = self.surroundings.trouble(leaves=fresh) or ("fresh" if fresh else "")
        flush()
        reach("after_handle")
        done.peak_rss = self.surroundings.peak
        done.cpu_total = cpu_seconds()
        done.cpu_seconds = done.cpu_total - self.cpu_before
        self.channel.send(done)
        reach("after_done")

    # -- after the last attempt --------------------------------------------------------------------

    def run_hook(self, order: RunHook) -> None:
        """Run `failed()`, on the instance whose attempt just failed here if there is one."""
        self.asked = self.interruption = None
        self.cpu_before = cpu_seconds()
        self.surroundings.prepare()
        done = Done(order.attempt_id)
        with of_job(order.job_id, order.job_class):
            contextvars.Context().run(self._hook, order)
        self._finish(done, fresh=False)

    def _hook(self, order: RunHook) -> None:
        try:
            here = self.order is not None and self.order.attempt_id == order.attempt_id
            job, error = (self.job, self.error) if here else (None, None)
            if job is None:
                job = self._load(order.job_class, order.arguments, order)
            result: Any = job.failed(error or built_exception(order))
            if inspect.iscoroutine(result):
                run_coroutine(result, self)
        except BaseException as failure:
            errors.show(failure, "failed() raised")

    # -- interruption ------------------------------------------------------------------------------

    def on_terminate(self, number: int, frame: FrameType | None) -> None:
        """Raise in the job what the supervisor has said it wants; ignore a TERM of anybody else."""
        if self.running and self._ask(self._orders()):
            self.channel.interrupt(self._interrupt)

    def _ask(self, orders: Sequence[ChildOrder]) -> bool:
        """Note what is to be raised in the job, if one of these orders is to stop it."""
        running = self.order.attempt_id if self.order is not None else None
        stops = [one for one in orders if isinstance(one, Stop) and one.attempt_id == running]
        if not stops:
            return False
        if (timeout := stops[-1].timeout) is None:
            self.asked = JobCancelled("the job was cancelled")
        else:
            self.asked = JobTimeout(f"the job ran for longer than {timeout:g} s")
        return True

    def _interrupt(self) -> None:
        if not self.interruptible:
            return
        self.interruption = self.asked
        if self.task is not None:
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)
        elif self.interruption is not None:
            self.interruptible = False
            raise self.interruption

    def _orders(self) -> list[ChildOrder]:
        try:
            return self.channel.receive(wait=False)
        except EOFError:
            return []

    # -- what the job asks for ---------------------------------------------------------------------

    def report_progress(self, attempt_id: int, done: int, total: int | None, message: str) -> None:
        self.progress = Progress(attempt_id, done, total, message)
        if time.monotonic() - self.progressed_at >= PROGRESS_EVERY:
            self._send_progress()

    def _send_progress(self) -> None:
        if self.progress is not None:
            progress, self.progress = self.progress, None
            self.progressed_at = time.monotonic()
            self.channel.send(progress)


class RunningJob:
    """What a job's helpers inside `handle()` stand on."""

    def __init__(self, runner: Runner, order: Run | RunHook) -> None:
        self.runner = runner
        self.job_id = order.job_id
        self.attempt = order.number
        self.attempt_id = order.attempt_id
        self.worker = order.worker if isinstance(order, Run) else ""
        self.began = time.monotonic()

    def report_progress(self, done: int, total: int | None, message: str) -> None:
        self.runner.report_progress(self.attempt_id, done, total, message)

    @contextmanager
    def complete_in_transaction(self, result: str | None) -> Iterator[None]:
        ran = time.monotonic() - self.began
        with completing(self.attempt_id, self.job_id, self.worker, result, ran):
            yield
        self.runner.completed = True


def make(job_class: str, arguments: str) -> BackgroundJob:
    """Return a job as it was dispatched. Raises InvalidArguments where its class has other ones now."""
    return get(job_class).from_stored(arguments)


def built_exception(order: RunHook) -> BaseException:
    """Return an exception for `failed()` where the one that was raised did not survive its process."""
    kinds: dict[str, type[BaseException]] = {
        Reason.TIMEOUT: JobTimeout,
        Reason.WORKER_LOST: WorkerLost,
        Reason.LAUNCHER_LOST: WorkerLost,
    }
    message = order.error_message or Reason(order.reason).label
    return kinds.get(order.reason, JobKilled)(str(message))


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the ended ones it waited for, in seconds."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total
