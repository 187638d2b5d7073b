"""From what a child reported, or how its process ended, to the outcome of an attempt."""

from __future__ import annotations

import os
import signal
from datetime import datetime

from ..lifecycle.records import Outcome
from ..states import AttemptStatus, Reason
from .children import Attempting
from .protocol import Done, Nonsense, Reaped

REPORTABLE = {
    Reason.NONE: AttemptStatus.COMPLETED,
    Reason.EXCEPTION: AttemptStatus.FAILED,
    Reason.TIMEOUT: AttemptStatus.FAILED,
    Reason.GAVE_UP: AttemptStatus.FAILED,
    Reason.ARGUMENTS: AttemptStatus.FAILED,
    Reason.RESULT: AttemptStatus.FAILED,
    Reason.CANCELLED: AttemptStatus.CANCELLED,
    Reason.POSTPONED: AttemptStatus.RELEASED,
}
"""Reason → status of what a child may say of itself; how workers and launchers end is not its to say."""


def check(done: Done) -> None:
    """Raise Nonsense where no child of ours would say that."""
    if REPORTABLE.get(done.reason) != done.status:  # type: ignore[call-overload]
        raise Nonsense(f"an attempt that is {done.status[:50]!r} by {done.reason[:50]!r}")


def reported(
    current: Attempting, done: Done, finished_at: datetime, pid: int, reaped: Reaped | None
) -> Outcome:
    """Return the outcome that the child itself has reported, and how its process ended if it has."""
    outcome = _blank(current, finished_at, pid)
    outcome.status, outcome.reason = AttemptStatus(done.status), Reason(done.reason)
    outcome.error_type, outcome.error_message = done.error_type, done.error_message
    outcome.traceback, outcome.result = done.traceback, done.result
    outcome.delay, outcome.final = done.delay, done.final
    outcome.cpu_seconds = done.cpu_seconds
    outcome.peak_rss = max(current.peak_rss, done.peak_rss)
    if reaped is not None:
        _note_exit(outcome, reaped)
    return outcome


def _note_exit(outcome: Outcome, reaped: Reaped) -> int:
    code = os.waitstatus_to_exitcode(reaped.status)
    outcome.exit_code, outcome.signal = (code, None) if code >= 0 else (None, -code)
    return code


def ended(current: Attempting, reaped: Reaped, cpu_before: float, finished_at: datetime) -> Outcome:
    """Return the outcome of an attempt whose process ended without reporting one."""
    outcome = _blank(current, finished_at, reaped.pid)
    code = _note_exit(outcome, reaped)
    outcome.cpu_seconds = max(0.0, reaped.cpu_seconds - cpu_before)
    outcome.peak_rss = current.peak_rss or None
    outcome.status, outcome.reason, outcome.error_type, outcome.error_message = _meaning(
        current, code
    )
    return outcome


def _meaning(current: Attempting, code: int) -> tuple[AttemptStatus, Reason, str, str]:
    failed, reason = AttemptStatus.FAILED, current.stop
    if reason == Reason.CANCELLED:
        return AttemptStatus.CANCELLED, reason, "JobCancelled", "the job was cancelled"
    if reason == Reason.SHUTDOWN:
        return AttemptStatus.RELEASED, reason, "", ""
    if reason == Reason.TIMEOUT:
        return (
            failed,
            reason,
            "JobTimeout",
            f"the job ran for longer than {current.limits.timeout:g} s",
        )
    if reason == Reason.MEMORY:
        return failed, reason, "JobKilled", _memory(current)
    if reason == Reason.BROKEN:
        what = "its process was killed: something in it wrote into the worker's own channel"
        return failed, reason, "JobKilled", what
    if code >= 0:
        what = f"its process exited with code {code} before handle() returned"
        return failed, Reason.EXITED, "JobKilled", what
    what = f"its process was killed by {signal_name(-code)}"
    if -code == signal.SIGKILL:
        what += ", not by the worker: perhaps the kernel, out of memory"
    return failed, Reason.SIGNAL, "JobKilled", what


def lost_launcher(current: Attempting, finished_at: datetime, pid: int) -> Outcome:
    """Return the outcome of an attempt that was running when the launcher went away."""
    outcome = _blank(current, finished_at, pid)
    outcome.status, outcome.reason = AttemptStatus.FAILED, Reason.LAUNCHER_LOST
    outcome.error_type = "WorkerLost"
    outcome.error_message = "the launcher, the parent of its process, disappeared"
    outcome.peak_rss = current.peak_rss or None
    return outcome


def cut_off(current: Attempting, finished_at: datetime, pid: int) -> Outcome:
    """Return the outcome of an attempt that was ended because the database was away for too long."""
    outcome = lost_launcher(current, finished_at, pid)
    outcome.status, outcome.reason = AttemptStatus.RELEASED, Reason.SHUTDOWN
    outcome.error_type = outcome.error_message = ""
    return outcome


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _memory(current: Attempting) -> str:
    mib = 1024 * 1024
    limit = (current.limits.memory_limit or 0) / mib
    return f"the job took {current.peak_rss / mib:.0f} MiB of memory, its limit is {limit:.0f} MiB"


def _blank(current: Attempting, finished_at: datetime, pid: int) -> Outcome:
    claim = current.claim
    return Outcome(
        attempt_id=current.attempt_id,
        job_id=current.job_id,
        job_class=current.job_class,
        number=current.number,
        status=AttemptStatus.FAILED,
        queue=claim.queue if claim else "",
        due_at=claim.run_at if claim else None,
        started_at=current.started_at,
        finished_at=max(finished_at, current.started_at),
        pid=pid,
        receipt=current.receipt,
        cpu_seconds=current.samples.latest[2] if current.samples else None,
        samples=current.samples.stored(current.limits.memory_limit) if current.samples else None,
        output_bytes=current.output.total,
        output_dropped=current.output.dropped,
    )
