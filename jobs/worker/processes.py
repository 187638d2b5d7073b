"""Processes: who descends from whom, how much they take, and whether one is still the same."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import resource
import signal
import sys
import time
import uuid

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform.startswith("linux")
_libc = ctypes.CDLL(None)
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
DUMP_SIGNAL: int = signal.SIGRTMIN + 7 if LINUX else getattr(signal, "SIGINFO", signal.SIGUSR2)
"""Has a job write its stacks: none that programs use, and where there is SIGINFO, harmless unhandled."""


def become_subreaper() -> None:
    """Make orphans among this process's descendants its own children (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if LINUX:
        _libc.prctl(option, value, 0, 0, 0)


def prefer_for_oom_killer() -> None:
    """Have the kernel, out of memory, pick this process before the worker (Linux)."""
    with contextlib.suppress(OSError):
        adjustment = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(adjustment, b"500")
        os.close(adjustment)


def sees_itself() -> bool:
    """Whether /proc, where there is to be one, shows this process's own namespace."""
    try:
        return not LINUX or os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def birth_mark(pid: int) -> float | None:
    """Return what tells a process from others that had or will have its pid; None if there is none.

    On Linux the ticks between the machine's boot and the process's start, which setting the clock
    does not change; elsewhere the time of its start.
    """
    try:
        if not LINUX:
            return psutil.Process(pid).create_time()
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return float(stat.read().rpartition(b")")[2].split()[19])
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def is_gone(pid: int, mark: float) -> bool:
    """Whether the process that had this pid and birth mark has ended, beyond doubt.

    A zombie has: whether and when its parent asks for its status is no concern of ours.
    """
    found = birth_mark(pid)
    if found is not None:
        return found != mark or is_zombie(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # Another user's, in a /proc that hides it.
    return False


def host_id() -> str:
    """Return what names this boot of this machine and the process namespace.

    Two containers of one name, or of one machine, differ in it: a pid means something only inside.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id") as boot:
            return f"{boot.read().strip()}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{platform.node()}:{uuid.getnode():x}"[:100]


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only its parent has not been told; also if it is gone."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def boottime() -> float:
    """Return seconds on a clock that also runs while the machine is suspended, where there is one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def children(pid: int) -> list[int]:
    """Return the pids of the direct children of a process; none if it is gone."""
    if not LINUX:
        return _children_by_search(pid)
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as listed:
                found += map(int, listed.read().split())
    except (FileNotFoundError, ProcessLookupError):
        if os.path.isdir(f"/proc/{pid}/task/{pid}"):  # A kernel without CONFIG_PROC_CHILDREN.
            return _children_by_search(pid)
    return found


def _children_by_search(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes below `pid`, parents before their children."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children(waiting.pop())
        found += below
        waiting += below
    return found


def usage(pid: int) -> tuple[int, float]:
    """Return the bytes of resident memory of one process, and the seconds of CPU it has spent.

    The CPU of ended processes it waited for is counted in. Both are 0 if it is gone.
    """
    try:
        if LINUX:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                fields = stat.read().rpartition(b")")[2].split()
            return int(fields[21]) * PAGE, sum(map(int, fields[11:15])) / TICKS
        process = psutil.Process(pid)
        return int(process.memory_info().rss), float(sum(process.cpu_times()[:4]))
    except (OSError, psutil.Error, IndexError):
        return 0, 0.0


def resident(pid: int) -> int:
    """Return the bytes of resident memory of one process; 0 if it is gone."""
    return usage(pid)[0]


def tree_usage(pid: int) -> tuple[int, float]:
    """Return what a process and all below it take: bytes of resident memory, seconds of CPU."""
    found = [usage(one) for one in (pid, *descendants(pid))]
    return sum(rss for rss, _ in found), sum(cpu for _, cpu in found)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal; one that has not would be ended by most."""
    if not LINUX:
        return True  # There the signal this is asked for is ignored by default.
    try:
        with open(f"/proc/{pid}/status") as status:
            caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status.read(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


class MemoryMeter:
    """This process's resident memory in bytes: now, and at its peak since `reset`.

    On Linux through files kept open, which makes a look ten times cheaper than opening them each
    time; elsewhere the peak is that of the process's whole life.
    """

    def __init__(self) -> None:
        self.status = self.references = -1
        with contextlib.suppress(OSError):
            self.status = os.open("/proc/self/status", os.O_RDONLY)
            self.references = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def reset(self) -> None:
        """Set the peak back to what the process takes now (Linux)."""
        with contextlib.suppress(OSError):
            os.pwrite(self.references, b"5", 0)

    def read(self) -> tuple[int, int]:
        """Return the bytes taken now and at the peak."""
        try:
            found = dict(_SIZES.findall(os.pread(self.status, 4096, 0)))
            return int(found[b"VmRSS"]) * 1024, int(found[b"VmHWM"]) * 1024
        except (OSError, KeyError):
            peak = max_rss(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            return peak, peak


_SIZES = re.compile(rb"(VmRSS|VmHWM):\s+(\d+) kB")


def max_rss(ru_maxrss: int) -> int:
    """Return `ru_maxrss` in bytes: Linux counts KiB, macOS bytes."""
    return ru_maxrss if sys.platform == "darwin" else ru_maxrss * 1024
