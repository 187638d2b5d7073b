"""What dead or frozen workers have left on their host: found by a mark, and ended before its jobs run again.

A launcher and all it starts carry a mark that no job loses by leaving its session, its parents, its
environment or its open files: the kernel hands limits on to every process that is forked or exec'd.
The limit used is the one that means nothing to a program that is not a real-time one, the time such
a program may run: it becomes some 150,000 years, and the digits name the supervisor. Whoever may
look into /proc can read it. Where there is no such limit nothing is found, and leases alone protect.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from .killing import kill_to_the_last
from .processes import LINUX, birth_mark, children, is_gone, sees_itself

MARKED = 1 << 62
"""Microseconds: a limit no smaller than this, and yet one, is a mark."""
PID_BITS = 22
"""More than any pid has on Linux; the birth mark takes what is left: some 300 years since boot."""


class Owner(NamedTuple):
    """The supervisor whose mark a process carries; it need not live."""

    pid: int
    birth: float
    """Its birth mark, see `processes`."""

    def mark(self) -> int:
        return MARKED | int(self.birth) << PID_BITS | self.pid

    @classmethod
    def of_mark(cls, mark: int) -> Owner:
        return cls(mark & (1 << PID_BITS) - 1, float((mark ^ MARKED) >> PID_BITS))


def put_mark(pid: int) -> bool:
    """Mark this process, and so all it starts from now on, as the supervisor's with this pid.

    Returns whether that was possible.
    """
    birth = birth_mark(pid)
    if not LINUX or birth is None:
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    if soft != resource.RLIM_INFINITY and not is_mark(soft):
        return False  # Somebody means it.
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (Owner(pid, birth).mark(), hard))
    except (OSError, ValueError, OverflowError):  # No more is allowed, or numbers are short here.
        return False
    return True


def is_mark(limit: int) -> bool:
    return MARKED <= limit < MARKED << 1


def end_remains(supervisor: Owner) -> bool:
    """End the launcher of a supervisor, and all that has ever been started below it.

    Returns whether nothing is left of them.
    """

    def find() -> list[int]:
        return _with_descendants(pid for pid, owner in carriers() if owner == supervisor)

    return kill_to_the_last(find, lambda: None)


def end_orphans() -> set[int]:
    """End what is left of workers whose supervisor is gone. Returns the pids."""
    found: set[int] = set()

    def find() -> list[int]:
        pids = _with_descendants(pid for pid, owner in carriers() if is_gone(*owner))
        found.update(pids)
        return pids

    kill_to_the_last(find, lambda: None)
    return found


def carriers() -> Iterator[tuple[int, Owner]]:
    """Yield the living processes that carry a mark, each with the supervisor that it names.

    Those of other process namespaces are left out: the pid in their mark is none of ours.
    """
    if not LINUX or not sees_itself():
        return
    for pid in filter(str.isdigit, os.listdir("/proc")):
        mark = _limit_of(pid)
        if is_mark(mark) and _lives_here(pid):
            yield int(pid), Owner.of_mark(mark)


_LIMIT = re.compile(rb"^Max realtime timeout +(\d+)", re.MULTILINE)
_NAMES_AND_STATE = re.compile(rb"^State:\s+(\w).*^NSpid:([\s\d]*)$", re.MULTILINE | re.DOTALL)


def _limit_of(pid: str) -> int:
    """Return the limit that may be a mark; 0 where there is none, or no such process."""
    with suppress(OSError), open(f"/proc/{pid}/limits", "rb") as limits:
        found = _LIMIT.search(limits.read())
        return int(found[1]) if found else 0
    return 0


def _lives_here(pid: str) -> bool:
    """Whether a process lives, under one pid and not under another one in a container besides."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as status:
        found = _NAMES_AND_STATE.search(status.read())
        return found is not None and found[1] not in b"ZX" and len(found[2].split()) == 1
    return False


def _with_descendants(roots: Iterable[int]) -> list[int]:
    """Return these processes and all below them: those that a job has put into a container, too."""
    found: dict[int, None] = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = None
            waiting += children(pid)
    return list(found)
