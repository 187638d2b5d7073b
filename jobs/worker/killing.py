"""Ending processes for good, with all that they have started."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from .processes import birth_mark, children, descendants, is_zombie

SWEEPS = 1000
"""Rounds of stopping newcomers before a tree that forks faster than we look is killed anyway."""
TRIES = 5
"""Rounds of killing: what was just being forked in one round is found in the next."""
WITHIN = 2.0
"""Seconds to wait until what was killed is gone: some take long to leave the kernel."""


class Handle:
    """One process and no other, even where its pid has gone to another one since.

    Raises ProcessLookupError where there is none. psutil's own handles compare times of day, and so
    lose their process when the clock is set.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = _descriptor(pid)
        self.mark = birth_mark(pid)
        if self.mark is None:
            self.close()
            raise ProcessLookupError(pid)

    def send(self, number: signal.Signals) -> bool:
        """Send a signal, if it still runs. Returns False where that is not allowed."""
        try:
            if self.descriptor >= 0:
                signal.pidfd_send_signal(self.descriptor, number)
            elif birth_mark(self.pid) == self.mark:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            return False
        return True

    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        if self.descriptor < 0:
            return birth_mark(self.pid) == self.mark and not is_zombie(self.pid)
        ended = select.poll()
        ended.register(self.descriptor, select.POLLIN)
        return not ended.poll(0)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


def _descriptor(pid: int) -> int:
    """Return a descriptor of a process; -1 where there are none, or none are left."""
    try:
        return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        raise
    except OSError:
        return -1


def kill_all(
    find: Callable[[], Iterable[int]], reap: Callable[[], object], within: float = WITHIN
) -> tuple[set[int], set[int]]:
    """Kill every process that `find` names, and wait until they are gone.

    They are stopped first, until a look finds nobody new, so that nothing is forked behind our
    back; then those found last are killed first. `reap` collects the dead among our own children.
    Returns the pids found and those still there after `within` seconds.
    """
    stopped = _stop(find)
    killed = [one for one in reversed(stopped) if one.send(signal.SIGKILL)]
    _await_end(killed, reap, time.monotonic() + within)
    left = {one.pid for one in stopped if one.is_alive()}
    reap()  # What has died since the last time is no longer alive, but still there.
    for one in stopped:
        one.close()
    return {one.pid for one in stopped}, left


def _stop(find: Callable[[], Iterable[int]]) -> list[Handle]:
    stopped: dict[int, Handle] = {}
    for _ in range(SWEEPS):
        new = [pid for pid in find() if pid not in stopped]
        for pid in new:
            with suppress(ProcessLookupError):
                stopped[pid] = Handle(pid)
                stopped[pid].send(signal.SIGSTOP)
        if not any(pid in stopped for pid in new):
            break
    return list(stopped.values())


def _await_end(killed: Iterable[Handle], reap: Callable[[], object], deadline: float) -> None:
    pause = 0.001
    while True:
        reap()
        killed = [one for one in killed if one.is_alive()]
        if not killed or time.monotonic() > deadline:
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.005)


def kill_tree(
    root: int, reap: Callable[[], object], within: float = WITHIN
) -> tuple[set[int], set[int]]:
    """Kill a process and all below it; returns what `kill_all` does."""
    return kill_all(lambda: (root, *descendants(root)), reap, within)


def kill_to_the_last(find: Callable[[], Iterable[int]], reap: Callable[[], object]) -> bool:
    """Kill until `find` names nobody any more but zombies of others.

    Returns False where something cannot be killed now.
    """
    for _ in range(TRIES):
        _, left = kill_all(find, reap)
        if left:
            return False
        if all(map(is_zombie, find())):
            return True
    return False


def kill_descendants(reap: Callable[[], object]) -> None:
    """Kill all that descends from this process, all at once: one after the other would take long."""
    kill_to_the_last(lambda: descendants(os.getpid()), reap)


def strangers(known: Iterable[int]) -> list[int]:
    """Return this process's children that are not `known`: what dead ones have left to it."""
    return [pid for pid in children(os.getpid()) if pid not in set(known)]
