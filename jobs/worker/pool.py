"""The children of a worker: having as many as there should be, and knowing which are free."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import suppress

from . import log
from .bell import Bell
from .children import Child, Phase
from .launching import LauncherLink
from .protocol import Kill, LauncherOrder, Leave

LONGEST_PAUSE = 30.0
"""Seconds, at most, between two starts of children that do not get ready."""
LEAVES_WITHIN = 10.0
"""Seconds a child has for leaving by itself."""
ENOUGH_BOOTS = 10
"""Failed starts in a row after which the pause is the longest; more are not counted."""


class Pool:
    """Times are `time.monotonic()` seconds."""

    def __init__(self, size: int, bell: Bell) -> None:
        self.size = size
        self.bell = bell
        self.launcher: LauncherLink | None = None
        self.children: dict[int, Child] = {}
        """By ticket, the number under which a child was ordered."""
        self.idle: list[Child] = []
        self.tickets = 0
        self.failed_boots = 0
        self.fill_at = 0.0
        self.closing = False

    def busy(self) -> Iterator[Child]:
        """Yield the children that have an attempt or a hook."""
        return (child for child in list(self.children.values()) if child.current is not None)

    def overdue(self, now: float, boot_timeout: float) -> Iterator[Child]:
        """Yield the children that take too long to get ready, or to leave."""
        for child in list(self.children.values()):
            boots = child.phase is Phase.BOOTING and now - child.born > boot_timeout
            if child.pid and (boots or now > child.gone_by):
                yield child

    def has_leaving(self) -> bool:
        return any(child.gone_by < math.inf for child in self.children.values())

    def has_booting(self) -> bool:
        return any(child.phase is Phase.BOOTING for child in self.children.values())

    def by_pid(self, pid: int) -> Child | None:
        return next((one for one in self.children.values() if one.pid == pid), None)

    def by_attempt(self, attempt_id: int) -> Child | None:
        found = (one for one in self.busy() if one.current and one.current.attempt_id == attempt_id)
        return next(found, None)

    def fill(self, now: float) -> None:
        """Start children until there are as many as there should be."""
        if self.launcher is None or self.closing or now < self.fill_at:
            return
        staying = sum(child.stays() for child in self.children.values())
        for _ in range(self.size - staying):
            self.tickets += 1
            try:
                child = Child(self.tickets, now)
            except OSError as error:
                log.warn("no_descriptors_left", error=error, running=staying)
                self.fill_at = now + LONGEST_PAUSE
                return
            self.children[child.ticket] = child
            self.bell.listen(child.channel.fileno(), (child, "channel"))
            for source, fd in child.streams.items():
                self.bell.listen(fd, (child, source))
            with suppress(EOFError):
                self.launcher.fork(child.ticket, child.theirs, *child.writers)
            child.handed_over()

    def order(self, order: LauncherOrder) -> None:
        """Order something from the launcher; one that is gone has ended every child already."""
        if self.launcher is not None:
            with suppress(EOFError):
                self.launcher.order(order)

    def take(self, *, fresh: bool) -> Child | None:
        """Return a free child and count it as busy; with `fresh`, one that has run no job yet."""
        if len(self.children) > self.size and sum(1 for _ in self.busy()) >= self.size:
            return None
        if not fresh:
            return self.idle.pop() if self.idle else None
        for child in self.idle:
            if child.jobs_done == 0:
                self.idle.remove(child)
                return child
        if self.idle and not self.has_booting():
            self.dismiss(self.idle.pop(0))  # Its successor will be new.
        return None

    def free(self, child: Child) -> None:
        """Count a child as free, or let it go if it must not run another job."""
        if child.retire or self.closing:
            self.dismiss(child)
        else:
            child.phase = Phase.IDLE
            self.idle.append(child)

    def dismiss(self, child: Child) -> None:
        """Have a child leave: by itself if it is clean, else with all it has left behind."""
        child.phase = Phase.LEAVING
        if child in self.idle:
            self.idle.remove(child)
        child.gone_by = min(child.gone_by, time.monotonic() + LEAVES_WITHIN)
        if child.is_clean():
            with suppress(EOFError):
                child.channel.send(Leave())
        elif not child.killing:
            child.killing = True
            self.order(Kill(child.pid))

    def remove(self, child: Child, now: float) -> None:
        """Forget a child whose process has ended; one that never got ready delays the next."""
        if child.phase is Phase.BOOTING:
            pause = min(0.1 * 2**self.failed_boots, LONGEST_PAUSE)
            self.failed_boots = min(self.failed_boots + 1, ENOUGH_BOOTS)
            self.fill_at = now + pause
            log.warn("child_did_not_boot", pid=child.pid, next_try=pause)
        self.forget(child)
        self.fill(now)

    def forget(self, child: Child) -> None:
        """Let go of a child that is no more; who still holds it sees that it takes nothing."""
        child.phase = Phase.LEAVING
        if child in self.idle:
            self.idle.remove(child)
        for fd in (child.channel.fileno(), *child.streams.values()):
            self.bell.ignore(fd)
        child.close()
        self.children.pop(child.ticket, None)
