"""What children and the launcher report, and what follows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec

from ..conf import conf
from ..lifecycle.hooks import DueHook
from ..lifecycle.records import Claim, Outcome
from ..states import AttemptStatus, Reason
from . import events, log, outcomes
from .buffers import OutputBuffer
from .children import Attempting, Child, Phase
from .handover import Handover
from .pool import Pool
from .protocol import (
    Alive,
    ChildReport,
    Done,
    Forked,
    Killed,
    LauncherReport,
    Log,
    Progress,
    Ready,
    Reaped,
)
from .stopping import Stopper


@dataclass(slots=True)
class Waiting:
    """A failed attempt whose class has a `failed()`, until it is recorded whether that is to run."""

    child: Child
    claim: Claim
    outcome: Outcome
    output: OutputBuffer

    def hook(self) -> DueHook:
        claim, outcome = self.claim, self.outcome
        return DueHook(
            *claim[:4],
            claim.arguments,
            outcome.reason,
            outcome.error_type,
            outcome.error_message,
            self.output.total,
            self.output.line,
        )


class Reports:
    """Turns reports into events for the ledger, and children into free or leaving ones."""

    def __init__(
        self,
        pool: Pool,
        stopper: Stopper,
        handover: Handover,
    ) -> None:
        self.pool, self.stopper, self.handover = pool, stopper, handover
        self.post, self.clock, self.quickness = handover.post, handover.clock, handover.quickness
        self.jobs_per_process = conf.JOBS_PER_PROCESS
        self.waiting: dict[int, Waiting] = {}
        """By attempt."""

    # -- from children -----------------------------------------------------------------------------

    def hear(self, child: Child) -> None:
        """Take what a child has sent; its end is the launcher's to report."""
        try:
            reports = child.channel.receive(wait=False)
        except EOFError:
            self.pool.bell.ignore(child.channel.fileno())
            return
        except msgspec.DecodeError as error:
            # Something else has written into its channel: nothing it says can be relied on now.
            log.warn("child_speaks_nonsense", pid=child.pid, error=error)
            self.pool.bell.ignore(child.channel.fileno())
            self.stopper.kill(child, Reason.BROKEN)
            return
        for report in reports:
            self._take(child, report)

    def _take(self, child: Child, report: ChildReport) -> None:
        current = child.current
        if isinstance(report, Done):
            if current is not None and current.attempt_id == report.attempt_id:
                self._done(child, current, report)
        elif isinstance(report, Ready):
            child.pid = report.pid  # The launcher's own word may come later than the child's.
            self.pool.failed_boots = 0
            self.pool.free(child)
        elif current is None:
            log.event("output_between_jobs", pid=child.pid)
        elif isinstance(report, Log):
            current.output.add(report.level, report.text.encode())
        elif isinstance(report, Progress):
            name, number = current.job_id, current.number
            self.post(
                events.Progressed(
                    current.attempt_id, name, number, report.done, report.total, report.message
                )
            )

    def _done(self, child: Child, current: Attempting, done: Done) -> None:
        """An attempt or a hook has ended by itself."""
        child.drain()
        child.done, child.jobs_done = done, child.jobs_done + 1
        child.retire = child.retire or done.retire
        if not child.retire and child.jobs_done >= self.jobs_per_process:
            child.retire = "age"
        if current.stop is not None:
            # Interrupted somewhere: its locks and its memory are not to be trusted any more. The
            # attempt ends when the process is gone, so that its receipt can say so.
            child.retire, child.phase = "interrupted", Phase.LEAVING
            self.stopper.kill(child)
            return
        self.conclude(child)

    # -- from the launcher -------------------------------------------------------------------------

    def hear_launcher(self, report: LauncherReport, now: float) -> None:
        if isinstance(report, Forked):
            self._forked(report, now)
            return
        if isinstance(report, Alive):
            return
        child = self.pool.by_pid(report.pid)
        if child is None:
            return
        if isinstance(report, Reaped):
            child.reaped = report
        elif isinstance(report, Killed):
            self.stopper.killed(child, report)
        if child.reaped is not None and not child.killing:
            self._ended(child, now)

    def _forked(self, report: Forked, now: float) -> None:
        child = self.pool.children.get(report.ticket)
        if child is None:
            return
        child.pid = report.pid
        if report.error:
            log.warn("fork_failed", error=report.error)
            self.pool.remove(child, now)

    def _ended(self, child: Child, now: float) -> None:
        """A child's process is gone, and all it had to say is in its pipes."""
        if child.current is not None and child.done is None:
            self.hear(child)
        if child.current is not None:
            self.conclude(child)
        self.pool.remove(child, now)

    # -- what follows ------------------------------------------------------------------------------

    def conclude(self, child: Child, outcome: Outcome | None = None) -> None:
        """Close what a child was running: hand its output and outcome to the ledger, free the child."""
        current, now = child.current, time.monotonic()
        if current is None:
            return
        child.drain()
        pieces = current.output.take(now, last=True)
        if pieces:
            self.post(events.Printed(pieces))
        if current.claim is None:
            total, dropped = current.output.total, current.output.dropped
            self.post(events.HookRan(current.attempt_id, total, dropped))
        else:
            self._finish(child, current, current.claim, outcome or self._outcome(child, current))
        if child.done is not None:
            child.cpu_total = child.done.cpu_total
            child.largest_peak = max(child.largest_peak, child.done.peak_rss)
        child.current = child.done = None
        if child.phase is Phase.BUSY and child.reaped is None:
            self.pool.free(child)

    def _outcome(self, child: Child, current: Attempting) -> Outcome:
        at = self.clock()
        if child.done is not None:
            return outcomes.reported(current, child.done, at, child.pid, child.reaped)
        if child.reaped is None:
            raise RuntimeError(f"attempt {current.attempt_id} has neither reported nor ended")
        if not current.peak_rss or child.reaped.max_rss > child.largest_peak:
            current.peak_rss = max(current.peak_rss, child.reaped.max_rss)
        return outcomes.ended(current, child.reaped, child.cpu_total, at)

    def _finish(self, child: Child, current: Attempting, claim: Claim, outcome: Outcome) -> None:
        waits = (
            current.limits.has_hook
            and child.phase is Phase.BUSY
            and outcome.status == AttemptStatus.FAILED
        )
        if waits:
            child.phase = Phase.WAITING
            self.waiting[current.attempt_id] = Waiting(child, claim, outcome, current.output)
        if outcome.status == AttemptStatus.COMPLETED:
            self.quickness.note(current.job_class, time.monotonic() - current.started)
            self.quickness.flows = True
        elif outcome.status == AttemptStatus.FAILED:
            log.warn(
                "attempt_failed",
                job=current.job_id,
                attempt=current.number,
                job_class=current.job_class,
                reason=outcome.reason,
                error=outcome.error_message[:200],
            )
        self.post(events.Finished(outcome, waits))

    def recorded(self, news: events.Recorded, now: float) -> None:
        """The ledger has recorded an outcome some child waits for: run `failed()`, or go on."""
        waiting = self.waiting.pop(news.attempt_id, None)
        if waiting is None:
            return
        child = waiting.child
        stays = child.phase is Phase.WAITING and child.reaped is None
        if news.settled is not None and news.settled.runs_hook:
            hook = waiting.hook()
            if stays:
                self.handover.start_hook(hook, child, now, waiting.output)
            else:
                self.handover.hooks.append(hook)
        elif stays:
            self.pool.free(child)
