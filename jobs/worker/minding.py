"""Minding the launcher: it has a lease to live by, it has to answer, and it may go away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from ..conf import conf
from . import events, log, outcomes
from .children import Phase
from .launcher import FUSE
from .launching import LauncherLink, start_launcher
from .pool import Pool
from .processes import boottime, kill_tree, strangers
from .protocol import Lease
from .reports import Reports

MARGIN = 0.05
"""Share of the lease by which a launcher may be early: its fuse and our clock are read apart."""


class LauncherMinder:
    """Keeps a pool provided with a launcher that lives. Times are `time.monotonic()` seconds."""

    def __init__(
        self, pool: Pool, reports: Reports, clock: Callable[[], datetime], launcher: LauncherLink
    ) -> None:
        self.pool, self.reports, self.clock = pool, reports, clock
        self.patience = conf.BOOT_TIMEOUT
        self.lease: events.Leased | None = None
        self._adopt(launcher)

    def renew(self, lease: events.Leased) -> None:
        """Tell the launcher how long it may live; start one if there is none."""
        self.lease = lease
        if self.pool.launcher is None:
            self._adopt(start_launcher())
        self._pass_on(lease)

    def hear(self, *, restart: bool) -> None:
        """Take what the launcher has sent. One that is gone is replaced, if `restart` says so."""
        launcher = self.pool.launcher
        if launcher is None:
            return
        try:
            for report in launcher.channel.receive(wait=False):
                launcher.owes_answer_since = None
                self.reports.hear_launcher(report, time.monotonic())
        except EOFError:
            self._lose(launcher, restart)

    def watch(self, now: float) -> None:
        """Kill a launcher that does not answer."""
        launcher = self.pool.launcher
        since = launcher.owes_answer_since if launcher is not None else None
        if launcher is not None and since is not None and now - since > self.patience:
            log.warn("launcher_silent", pid=launcher.pid, seconds=now - since)
            launcher.owes_answer_since = None
            with suppress(ProcessLookupError):
                os.kill(launcher.pid, signal.SIGKILL)

    def kill_strangers(self) -> None:
        """End what dead parents have left to this process, a subreaper."""
        known = [self.pool.launcher.pid] if self.pool.launcher else []
        for orphan in strangers(known):
            kill_tree(orphan, _reap)

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
        log.warn("launcher_lost", lease_ran_out=burnt)
        make = outcomes.cut_off if burnt else outcomes.lost_launcher
        for child in list(self.pool.children.values()):
            if child.pid:
                kill_tree(child.pid, _reap)
            if child.current is not None:
                self.reports.hear(child)  # It may have finished before it was ended.
            if child.current is not None:
                child.phase = Phase.LEAVING
                self.reports.conclude(child, make(child.current, self.clock(), child.pid))
            self.pool.forget(child)
        self.kill_strangers()
        if restart and not burnt:
            self._adopt(start_launcher())
            if self.lease is not None:
                self._pass_on(self.lease)

    def _has_burnt_down(self) -> bool:
        lease = self.lease
        return lease is not None and boottime() - lease.boottime >= lease.seconds * (FUSE - MARGIN)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
