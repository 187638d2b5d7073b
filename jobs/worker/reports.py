"""What children and the launcher report, and what follows from it."""

from __future__ import annotations

import math
import time

from ..conf import conf
from ..faultpoints import reach
from ..lifecycle.hooks import DueHook
from ..lifecycle.records import Claim, Outcome
from ..output import clean
from ..running import LONGEST_MESSAGE
from ..states import AttemptStatus, Reason
from . import events, log, outcomes
from .children import DRAIN_AT_MOST, Attempting, Child, Phase, Waiting
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
    Nonsense,
    Progress,
    Ready,
    Reaped,
)
from .stopping import Stopper

PROGRESS_EVERY = 0.08
"""Seconds between two reports of progress that are passed on: an honest child leaves more."""
FINAL_STOPS = (Reason.CANCELLED, Reason.SHUTDOWN)
"""After these an attempt is over, even where no process has begun it."""


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
        self.lost_hooks: set[int] = set()
        """Attempts whose hook ran when a launcher was lost."""
        self.disabled = False
        """Whether nothing is claimed until a child is ready."""

    # -- from children -----------------------------------------------------------------------------

    def hear(self, child: Child, *, ended: bool = False) -> None:
        """Take what a child has sent, all of it once that has `ended`; that is the launcher's to report."""
        try:
            for report in self._receive(child, ended):
                self._take(child, report)
        except Nonsense as error:
            self._distrust(child, error)

    def _receive(self, child: Child, ended: bool) -> list[ChildReport]:
        try:
            if ended:  # What it has left behind may hold its channel, and write into it for ever.
                return child.channel.receive_rest(DRAIN_AT_MOST)
            return child.channel.receive(wait=False)
        except EOFError:
            self.pool.bell.ignore(child.channel.fileno())
            return []

    def _distrust(self, child: Child, error: Nonsense) -> None:
        """End a child into whose channel something else has written: nothing it says can be relied on."""
        log.warn("child_speaks_nonsense", pid=child.pid, error=error)
        self.pool.bell.ignore(child.channel.fileno())
        child.retire = "nonsense"
        if child.current is not None:
            self.stopper.kill(child, Reason.BROKEN)
        elif child.phase is not Phase.BOOTING:  # Never ready, it is ended when its time is up.
            self.pool.dismiss(child)

    def _take(self, child: Child, report: ChildReport) -> None:
        current = child.current
        if isinstance(report, Ready):
            reach("child_ready")
            child.is_ready = True
            self._begin(child)
        elif current is None:
            self._hear_idle(child)
        elif isinstance(report, Done):
            if current.attempt_id == report.attempt_id:
                outcomes.check(report)
                self._done(child, current, report)
        elif isinstance(report, Log):
            current.output.add(report.level, report.text.encode())
        elif isinstance(report, Progress):
            current.progress = report
            self.tell_progress(current, time.monotonic())

    def _begin(self, child: Child) -> None:
        """Count a new child as free, once it has said that it is ready and the launcher which one it is.

        Either may come first. The child would not be believed: its pid is what gets killed.
        """
        if child.phase is Phase.BOOTING and child.is_ready and child.pid:
            self.pool.failed_boots = 0
            self.pool.free(child)
            if self.disabled:
                self.disabled = False
                self.post(events.Enabled(True))

    def _hear_idle(self, child: Child) -> None:
        """Let go of a child that says something although nothing is to run in it: something does."""
        if child.phase is Phase.IDLE:
            log.event("output_between_jobs", pid=child.pid)
            child.retire = "output between jobs"
            self.pool.dismiss(child)

    def tell_progress(self, current: Attempting, now: float) -> None:
        """Tell the ledger how far an attempt is, some times a second at most: it may be waiting."""
        report = current.progress
        if report is None or now - current.progressed_at < PROGRESS_EVERY:
            return
        current.progress, current.progressed_at = None, now
        message = clean(report.message)[:LONGEST_MESSAGE]
        self.post(
            events.Progressed(
                *(current.attempt_id, current.job_id, current.number),
                *(report.done, report.total, message),
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

    def disable(self) -> None:
        """Leave jobs to other workers until a child is ready: the launcher is gone with all of them."""
        self.disabled = True
        self.post(events.Enabled(False))
        self.handover.give_back()

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
        else:
            self._begin(child)

    def _ended(self, child: Child, now: float) -> None:
        """A child's process is gone, and all it had to say is in its pipes."""
        if child.current is not None and child.done is None:
            self.hear(child, ended=True)
        if child.current is not None:
            self.conclude(child)
        self.pool.remove(child, now)

    # -- what follows ------------------------------------------------------------------------------

    def conclude(self, child: Child, outcome: Outcome | None = None) -> None:
        """Close what a child was running: hand its output and outcome to the ledger, free the child."""
        current, now = child.current, time.monotonic()
        if current is None:
            return
        if child.done is None and not child.has_begun() and current.stop not in FINAL_STOPS:
            child.current = None
            self.handover.take_back(current)
            return
        child.drain()
        self.tell_progress(current, math.inf)
        pieces = current.output.take(now, last=True)
        if pieces:
            self.post(events.Printed(pieces))
        if current.hook is not None:
            self._end_hook(child, current, current.hook, outcome)
        elif current.claim is not None:
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

    def _end_hook(
        self, child: Child, current: Attempting, hook: DueHook, outcome: Outcome | None
    ) -> None:
        """Enter that `failed()` has run, or have it run again where its worker or launcher cut it off."""
        total, dropped = current.output.total, current.output.dropped
        if child.done is None and current.stop == Reason.SHUTDOWN:
            return  # Still noted as due, it is the next worker's.
        if outcome is not None and self._runs_again(hook, outcome.reason):
            line = current.output.line
            again = hook._replace(output_bytes=total, output_lines=line, output_dropped=dropped)
            self.handover.hooks.append(again)
            return
        self.lost_hooks.discard(hook.attempt_id)
        self.post(events.HookRan(hook.attempt_id, total, dropped))

    def _runs_again(self, hook: DueHook, reason: Reason) -> bool:
        """Whether a hook that was cut off gets another try: it may be the one that ends launchers."""
        if reason != Reason.LAUNCHER_LOST:
            return True
        first = hook.attempt_id not in self.lost_hooks
        self.lost_hooks.add(hook.attempt_id)
        return first

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
