"""Minding the launcher: it has a lease to live by, it has to answer, and it may go away."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from ..conf import conf
from . import events, log, outcomes
from .children import Phase
from .killing import kill_descendants
from .launcher import FUSE
from .launching import LauncherLink, start_launcher
from .pool import Pool
from .processes import boottime
from .protocol import Lease
from .reports import Reports

MARGIN = 0.05
"""Share of the lease by which a launcher may be early: its fuse and our clock are read apart."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two starts of launchers that do not get ready."""


class LauncherMinder:
    """Keeps a pool provided with a launcher that lives. Times are `time.monotonic()` seconds."""

    def __init__(
        self, pool: Pool, reports: Reports, clock: Callable[[], datetime], launcher: LauncherLink
    ) -> None:
        self.pool, self.reports, self.clock = pool, reports, clock
        self.patience = conf.BOOT_TIMEOUT
        self.lease: events.Leased | None = None
        self.pause = FIRST_PAUSE
        """Seconds before the next start, if the last one has failed."""
        self.start_at = math.inf
        """When the next launcher is to be started."""
        self._adopt(launcher)

    def renew(self, lease: events.Leased) -> None:
        """Tell the launcher how long it may live; have one started if none is there or to come."""
        self.lease = lease
        if self.pool.launcher is None and self.start_at == math.inf:
            self.start_at = time.monotonic()
        self._pass_on(lease)

    def hear(self, *, restart: bool) -> None:
        """Take what the launcher has sent. One that is gone is replaced, if `restart` says so."""
        launcher = self.pool.launcher
        if launcher is None:
            return
        try:
            for report in launcher.channel.receive(wait=False):
                launcher.owes_answer_since = None
                self.pause, launcher.is_ready = FIRST_PAUSE, True
                self.reports.hear_launcher(report, time.monotonic())
        except EOFError:
            self._lose(launcher, restart)

    def watch(self, now: float) -> None:
        """Kill a launcher that does not answer; start one when its time has come."""
        if now >= self.start_at:
            self._start(now)
        launcher = self.pool.launcher
        since = launcher.owes_answer_since if launcher is not None else None
        if launcher is not None and since is not None and now - since > self.patience:
            log.warn("launcher_silent", pid=launcher.pid, seconds=now - since)
            launcher.owes_answer_since = None
            with suppress(ProcessLookupError):
                os.kill(launcher.pid, signal.SIGKILL)

    def end_all(self) -> None:
        """End what a launcher that is gone has left to this process, a subreaper."""
        kill_descendants(_reap)

    def _start(self, now: float) -> None:
        self.start_at = math.inf
        if self._has_burnt_down():
            return  # The next renewal has one started.
        try:
            self._adopt(start_launcher())
        except OSError as error:  # No memory, or no more processes allowed.
            log.warn("launcher_did_not_start", error=error, next_try=self._put_off(now))
        if self.lease is not None:
            self._pass_on(self.lease)

    def _put_off(self, now: float) -> float:
        """Have the next launcher started after a pause that grows; return that, in seconds."""
        pause, self.pause = self.pause, min(self.pause * 2, LONGEST_PAUSE)
        self.start_at = now + pause
        return pause

    def _adopt(self, launcher: LauncherLink) -> None:
        self.pool.launcher = launcher
        self.pool.bell.listen(launcher.channel.fileno(), (None, "launcher"))

    def _pass_on(self, lease: events.Leased) -> None:
        launcher = self.pool.launcher
        if launcher is not None:
            if launcher.owes_answer_since is None:
                launcher.owes_answer_since = time.monotonic()
            self.pool.order(Lease(lease.boottime + lease.seconds * FUSE))

    def _lose(self, launcher: LauncherLink, restart: bool) -> None:
        """End what a launcher that is gone has left, and start another while the lease holds."""
        self.pool.bell.ignore(launcher.channel.fileno())
        launcher.close()
        self.pool.launcher = None
        burnt = self._has_burnt_down()
        self._plan_next(launcher, restart=restart and not burnt, burnt=burnt)
        make = outcomes.cut_off if burnt else outcomes.lost_launcher
        self.reports.disable()
        self.end_all()
        for child in list(self.pool.children.values()):
            if child.current is not None:
                self.reports.hear(child, ended=True)  # It may have finished before it was ended.
            if child.current is not None:
                child.phase = Phase.LEAVING
                outcome = make(child.current, self.clock(), child.pid)
                self.reports.conclude(child, outcome if child.done is None else None)
            self.pool.forget(child)
        self.reports.handover.give_back()  # What none of them had begun.

    def _plan_next(self, lost: LauncherLink, *, restart: bool, burnt: bool) -> None:
        """Have another started: at once, or after a pause where the one that is gone never got ready."""
        now = time.monotonic()
        if not restart or lost.is_ready:
            log.warn("launcher_lost", lease_ran_out=burnt)
            self.start_at = now if restart else math.inf
        else:
            pause = self._put_off(now)
            log.warn("launcher_did_not_start", pid=lost.pid, next_try=pause)

    def _has_burnt_down(self) -> bool:
        lease = self.lease
        return lease is not None and boottime() - lease.boottime >= lease.seconds * (FUSE - MARGIN)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
