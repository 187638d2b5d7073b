"""The supervisor: the loop of a worker. Processes, pipes and deadlines, never the database."""

from __future__ import annotations

import math
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from types import FrameType

from ..conf import conf
from ..lifecycle.records import CancelRequest
from ..states import Reason
from . import events, log
from .bell import Bell
from .children import Child, Phase
from .dumping import dump
from .handover import Handover
from .launching import LauncherLink
from .ledger import Ledger
from .measuring import Measuring
from .minding import LauncherMinder
from .pool import Pool
from .processes import become_subreaper
from .quickness import Quickness
from .reports import Reports
from .stopping import Stopper
from .systemd import Notifier

FLUSH_PAUSE = 0.2
"""Seconds between two looks whether running attempts have printed something."""


LONGEST_TURN, SHORTEST_TURN = 0.6, 10.0
"""Share of the lease that the ledger may wait for the database, as the launcher's fuse has some more; but
no fewer seconds than the second one."""
LAST_TRY = 3.0
"""Seconds, at least, the ledger has at the end for what is still to be written."""


class Supervisor:
    """`turn()` waits for something to happen and deals with it; `run` repeats it until all is done."""

    def __init__(
        self, plan: events.Plan, launcher: LauncherLink, notifier: Notifier | None = None
    ) -> None:
        self.plan = plan
        self.notifier = notifier or Notifier({})
        self.bell = Bell()
        quickness = Quickness()
        self.ledger = Ledger(plan, quickness)
        self.pool = Pool(plan.identity.concurrency, self.bell)
        self.handover = Handover(self.pool, self.ledger.post, self.clock, quickness, plan.echo)
        self.stopper = Stopper(self.pool, self.clock)
        self.measuring = Measuring(self.pool, self.ledger.post)
        self.reports = Reports(self.pool, self.stopper, self.handover)
        self.lease: events.Leased | None = None
        self.time = datetime.now(UTC)
        self.signals = 0
        """How often it was told to stop."""
        self.drain_until: float | None = None
        self.crashed = False
        self.boot_timeout = conf.BOOT_TIMEOUT
        self.minder = LauncherMinder(self.pool, self.reports, self.clock, launcher)

    def clock(self) -> datetime:
        """Return the time by the database's clock when this turn began to act."""
        return self.time

    def _tell_time(self, now: float) -> datetime:
        if self.lease is None:
            return datetime.now(UTC)
        return self.lease.now + timedelta(seconds=now - self.lease.monotonic)

    # -- from start to end -------------------------------------------------------------------------

    def run(self) -> None:
        """Work until told to stop, or until the plan is carried out."""
        become_subreaper()
        self._catch_signals()
        thread = threading.Thread(target=self.ledger.run, name="ledger")
        self.ledger.on_news = self.bell.ring
        thread.start()
        try:
            while not self._is_over():
                self.turn()
        finally:
            self._close(thread)

    def turn(self) -> None:
        """Wait for something to happen, then do all that follows."""
        now = time.monotonic()
        ready = self.bell.wait(self._next_at(now) - now, self._has_news)
        self.time = self._tell_time(time.monotonic())
        for fd, (child, what) in ready:
            self._on_ready(child, what, fd)
        now = time.monotonic()
        self.time = self._tell_time(now)
        while self.ledger.news:
            self._take(self.ledger.news.popleft(), now)
        self.stopper.watch(now)
        for child in self.pool.overdue(now, self.boot_timeout):
            self.stopper.kill(child)
        self.minder.watch(now)
        self.pool.fill(now)
        self.handover.turn(now)
        self._flush(now)
        self.measuring.turn(now)
        self._drain(now)
        self._unstick(now)
        self._show_life(now)

    def _has_news(self) -> bool:
        return bool(self.ledger.news)

    def _is_over(self) -> bool:
        if self.crashed:
            return True
        busy = any(True for _ in self.pool.busy()) or self.handover.ready or self.reports.waiting
        return self.drain_until is not None and not busy

    def _close(self, thread: threading.Thread) -> None:
        """End the launcher with all children, then have the ledger write what is left and leave."""
        self.pool.closing = True
        self.notifier.once("STOPPING=1")
        try:
            # First: who ends its lease says that nothing of it runs any more.
            self._end_processes()
        finally:
            self._end_ledger(thread)
        signal.set_wakeup_fd(-1)
        self.bell.close()

    def _end_processes(self) -> None:
        if self.pool.launcher:
            self.pool.launcher.close()
        for child in list(self.pool.children.values()):
            self.pool.forget(child)
        self.minder.end_all()

    def _end_ledger(self, thread: threading.Thread) -> None:
        left = min((self.drain_until or 0.0) - time.monotonic(), conf.DRAIN_TIMEOUT)
        self.ledger.gives_up_at = time.monotonic() + max(
            left if self.signals < 2 else 0.0, LAST_TRY
        )
        self.ledger.post(events.Close())
        while thread.is_alive():
            thread.join(1.0)
            self._unstick(time.monotonic())
        self.ledger.bell.close()

    # -- what has happened -------------------------------------------------------------------------

    def _on_ready(self, child: Child | None, what: str, fd: int) -> None:
        if child is None:
            self.minder.hear(restart=self.drain_until is None)
        elif child.ticket not in self.pool.children:
            return  # It went in the same turn.
        elif what == "channel":
            self.reports.hear(child)
        elif child.read(what) == 0:
            self.bell.ignore(fd)

    def _take(self, news: events.News, now: float) -> None:
        match news:
            case events.Claimed(claims):
                self.handover.add(claims)
            case events.CancelAsked(requests):
                for request in requests:
                    self._cancel(request, now)
            case events.DumpAsked(requests):
                for one in requests:
                    dump(self.pool, one)
            case events.Recorded():
                self.reports.recorded(news, now)
            case events.HooksDue(hooks):
                self.handover.hooks.extend(hooks)
            case _:
                self._take_state(news, now)

    def _take_state(self, news: events.News, now: float) -> None:
        match news:
            case events.Leased():
                self._leased(news)
            case events.LeaseLost():
                self._abandon()
            case events.QueuesPaused(queues):
                self.handover.give_back_of(queues)
            case events.DrainAsked():
                log.event("draining", asked="on the dashboard", signal="limits the time")
                self.drain_until = self.drain_until or math.inf
            case events.NothingDue():
                self.drain_until = self.drain_until or now + conf.DRAIN_TIMEOUT
            case events.LedgerCrashed():
                self.crashed = True

    def _leased(self, lease: events.Leased) -> None:
        self.lease = lease
        self.handover.worker = str(self.plan.identity.worker_id)
        self.minder.renew(lease)
        self.notifier.once("READY=1")

    def _cancel(self, request: CancelRequest, now: float) -> None:
        child = self.pool.by_attempt(request.attempt_id)
        if child is not None:
            self.stopper.ask(child, Reason.CANCELLED, now, request.at, request.by)
        elif any(claim.attempt_id == request.attempt_id for claim in self.handover.ready):
            self.handover.give_back()  # Unclaimed, it waits again, and what waits can be cancelled.

    def _abandon(self) -> None:
        """Others have what ran here: end it, and say nothing about it."""
        self.handover.ready.clear()
        self.handover.hooks.clear()
        self.reports.waiting.clear()
        for child in list(self.pool.children.values()):
            child.current = None
            if child.phase in (Phase.BUSY, Phase.WAITING):
                child.retire = "lease lost"
                self.pool.dismiss(child)

    # -- what is due -------------------------------------------------------------------------------

    def _next_at(self, now: float) -> float:
        times = [self.stopper.next_at(now), self.notifier.next_at(), self.minder.start_at]
        if self.handover.ready:
            times.append(max(self.handover.gives_back_at(), now))
        if any(True for _ in self.pool.busy()):
            times.append(now + FLUSH_PAUSE)
        if self.pool.has_booting() or self.pool.has_leaving() or self.pool.fill_at > now:
            times.append(now + 1.0)
        if self.drain_until is not None and now < self.drain_until < math.inf:
            times.append(self.drain_until)
        return min(times)

    def _flush(self, now: float) -> None:
        if self.ledger.is_behind():
            return  # Output stays in its buffers, which have a limit.
        for child in self.pool.busy():
            if child.current is not None:
                self.reports.tell_progress(child.current, now)
                if child.current.output.due(now):
                    self.ledger.post(events.Printed(child.current.output.take(now)))

    def _unstick(self, now: float) -> None:
        """Have the ledger go on that waits for a database which says nothing any more."""
        patience = max(conf.LEASE * LONGEST_TURN, SHORTEST_TURN)
        if now - self.ledger.turn_began > patience or now > self.ledger.gives_up_at:
            self.ledger.line.cut()

    def _show_life(self, now: float) -> None:
        """Tell the service manager that both threads turn, and have the ledger turn until next time."""
        if now >= self.notifier.next_at():
            self.notifier.alive(now, self.ledger.turns)
            self.ledger.bell.ring()

    # -- stopping ----------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            self.signals += 1

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        signal.set_wakeup_fd(self.bell.writer, warn_on_full_buffer=False)

    def _drain(self, now: float) -> None:
        """Told to stop: finish what runs, within the time there is for that; then give it back."""
        if self.signals and self.drain_until in (None, math.inf):
            log.event("draining", seconds=conf.DRAIN_TIMEOUT, signal_again="leaves at once")
            self.drain_until = now + conf.DRAIN_TIMEOUT
            self.notifier.once("STOPPING=1")
            self.ledger.post(events.Drain())
        if self.drain_until is None:
            return
        self.handover.give_back()
        if self.signals > 1 or now >= self.drain_until:
            self.reports.waiting.clear()  # Their hooks are noted with the outcomes, for the next.
            for child in self.pool.busy():
                self.stopper.kill(child, Reason.SHUTDOWN)
