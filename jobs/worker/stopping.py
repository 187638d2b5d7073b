"""Stopping attempts: cancel, timeout, memory limit, shutdown. First noted, then carried out."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime

from ..conf import conf
from ..states import Reason
from . import log
from .children import Attempting, Child
from .pool import Pool
from .processes import tree_usage
from .protocol import Kill, Killed, Signal, Stop
from .samples import Samples

LIMITED_EVERY, SAMPLED_EVERY = 0.1, 1.0
"""Seconds between two looks at the memory of an attempt with a limit, and of one without."""


class Stopper:
    """Holds what runs in a pool to its limits. Times are monotonic seconds."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime]) -> None:
        self.pool = pool
        self.clock = clock
        self.patience = conf.BOOT_TIMEOUT
        """Seconds a process may take until it has read its order."""

    def ask(self, child: Child, reason: Reason, now: float, at: datetime, by: str = "") -> None:
        """Ask an attempt to stop by itself; after its grace it is killed."""
        current = child.current
        if current is None or current.stop is not None or child.done is not None:
            return
        self._open_receipt(current, reason, at, by)
        current.kill_at = now + current.limits.grace
        timeout = current.limits.timeout if reason == Reason.TIMEOUT else None
        try:
            child.channel.send(Stop(current.attempt_id, timeout))
        except EOFError:
            return  # It is ending already.
        current.told = True
        self._note(current, "SIGTERM", [child.pid])
        self.pool.order(Signal(child.pid, signal.SIGTERM))

    def kill(self, child: Child, reason: Reason | None = None) -> None:
        """End a child and all it has started, now."""
        if child.killing or child.reaped is not None:
            return
        child.killing = True
        if child.current is not None:
            child.current.kill_at = None
            if reason is not None and child.current.stop is None:
                self._open_receipt(child.current, reason, self.clock())
        self.pool.order(Kill(child.pid))

    def killed(self, child: Child, report: Killed) -> None:
        """Enter into the receipt that the tree is gone."""
        child.killing = False
        if report.survivors:
            log.warn("processes_survived", pids=report.survivors)
        if report.pids and child.current is not None and child.current.receipt is not None:
            self._note(child.current, "SIGKILL", report.pids)
            child.current.receipt["verified_at"] = self.clock().isoformat()
            child.current.receipt["survivors"] = report.survivors

    def watch(self, now: float) -> None:
        """Stop what has run into a limit since the last look."""
        for child in self.pool.busy():
            current = child.current
            if current is None or child.killing or child.done is not None:
                continue
            if current.kill_at is not None and now >= current.kill_at:
                self.kill(child)
            elif current.deadline is not None and now >= current.deadline:
                current.deadline = None
                self._time_out(child, current, now)
            elif now >= sample_at(current):
                self._sample(child, current, now)

    def next_at(self, now: float) -> float:
        """Return when the next look is due."""
        times = [now + 60.0]
        for child in self.pool.busy():
            current = child.current
            if current is not None and not child.killing:
                times.append(sample_at(current))
                times += [at for at in (current.deadline, current.kill_at) if at is not None]
        return min(times)

    def _time_out(self, child: Child, current: Attempting, now: float) -> None:
        if current.claim is None:
            self.kill(child)  # A hook is not asked: it cannot change the outcome.
        elif child.channel.is_read():
            self.ask(child, Reason.TIMEOUT, now, self.clock())
        else:
            # The time was its process's, not the job's. Asked to stop, it could begin only to be told.
            self.kill(child, Reason.TIMEOUT)

    def _sample(self, child: Child, current: Attempting, now: float) -> None:
        current.sample_at = now
        if now - current.started > self.patience and not child.channel.is_read():
            self.kill(child)  # Frozen, or not where it said it was: the job is another's.
            return
        rss, cpu = tree_usage(child.pid)
        current.peak_rss = max(current.peak_rss, rss)
        if current.samples is None:
            current.samples = Samples()
        current.samples.add(now - current.started, rss, cpu - child.cpu_total)
        limit = current.limits.memory_limit
        if limit is not None and current.peak_rss > limit:
            self.kill(child, Reason.MEMORY)

    def _open_receipt(
        self, current: Attempting, reason: Reason, at: datetime, by: str = ""
    ) -> None:
        current.stop = reason
        asked = {"requested_at": at.isoformat(), "by": by, "why": reason.value}
        current.receipt = asked | {"steps": []}

    def _note(self, current: Attempting, name: str, pids: list[int]) -> None:
        if current.receipt is not None:
            step = {"at": self.clock().isoformat(), "signal": name, "pids": pids}
            current.receipt["steps"].append(step)


def sample_at(current: Attempting) -> float:
    """Return when the memory of an attempt is to be looked at next."""
    every = SAMPLED_EVERY if current.limits.memory_limit is None else LIMITED_EVERY
    return max(current.sample_at, current.started) + every
