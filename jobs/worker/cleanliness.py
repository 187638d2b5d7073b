"""Whether a job left its process as it found it. One that did not is replaced, not repaired."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import conf
from .processes import DUMP_SIGNAL, LINUX, MemoryMeter, max_rss

SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGCHLD,
    DUMP_SIGNAL,
)
"""Those that programs set handlers for; asking for all of them would take longer than a small job."""


TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CORE,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_STACK,
    *([resource.RLIMIT_RTTIME] if LINUX else []),
)
"""The last one is what `remains` marks processes with: jobs after one that lost it would lack it, too."""


class Surroundings:
    """The state of a process that jobs share, as it was when it was new.

    Made before the process is forked; what is the process's own is added before its first job.
    """

    def __init__(self) -> None:
        self.directory = os.getcwd()
        self.environment = dict(_environment())
        self.umask = _umask()
        self.limits = _limits()
        self.streams: list[object] = []
        self.handlers: list[Any] = []
        self.growth = conf.PROCESS_GROWTH_LIMIT
        self.memory: MemoryMeter | None = None
        self.largest = 0
        """Bytes of resident memory after which the process is replaced."""
        self.peak = 0
        """Bytes the last job took at its largest."""

    def prepare(self, *, leaves: bool = False) -> None:
        """Get ready for one job; for the only one of a process that `leaves` after it."""
        if leaves:
            return
        if self.memory is None:
            self.memory = MemoryMeter()
            self.largest = self.memory.read()[0] + self.growth
            self.streams, self.handlers = _streams(), _handlers()
        self.memory.reset()

    def trouble(self, *, leaves: bool = False) -> str:
        """Return what the last job left behind, in a few words; empty if nothing.

        Its database sessions are reset on the way. Of a process that `leaves` anyway only other
        processes matter.
        """
        if leaves or self.memory is None:
            self.peak = max_rss(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            return "child processes" if _has_children() else ""
        taken, self.peak = self.memory.read()
        for found in self._leftovers():
            if found:
                return found
        return "memory" if taken > self.largest else ""

    def _leftovers(self) -> Iterator[str]:
        yield "child processes" if _has_children() else ""
        yield "threads" if _has_threads() else ""
        yield "open transaction" if not self._reset_sessions() else ""
        yield "standard streams" if _streams() != self.streams else ""
        yield "working directory" if _directory() != self.directory else ""
        yield "environment" if _environment() != self.environment else ""
        yield "timers" if _has_timers() else ""
        yield "resource limits" if _limits() != self.limits else ""
        yield "umask" if _umask() != self.umask else ""
        yield "signal handlers" if _handlers() != self.handlers else ""

    def _reset_sessions(self) -> bool:
        """Bring every used connection back to a new session. Returns whether all were idle."""
        idle = True
        for connection in connections.all(initialized_only=True):
            connection.queries_log.clear()
            if connection.connection is not None:
                idle = _reset(connection) and idle
        return idle


def _reset(connection: BaseDatabaseWrapper) -> bool:
    if connection.in_atomic_block or not connection.get_autocommit():
        return False
    try:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("DISCARD ALL")
            connection.init_connection_state()
        elif connection.vendor == "mysql":
            connection.close()  # Its driver has no call that empties a session; half a millisecond.
        elif connection.vendor == "sqlite" and connection.connection.in_transaction:
            return False
    except Exception:
        connection.close()
    return True


def _environment() -> dict[bytes, bytes]:
    """Return the mapping below os.environ, itself: comparing that is a hundred times cheaper."""
    below: dict[bytes, bytes] = vars(os.environ)["_data"]
    return below


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _streams() -> list[object]:
    """Return what the standard descriptors and streams lead to; empty where one is closed."""
    try:
        return [*(os.fstat(fd).st_ino for fd in range(3)), sys.stdout, sys.stderr]
    except OSError:
        return []


def _limits() -> list[object]:
    """Return the limits of this process, and the signals it has blocked."""
    limits = [resource.getrlimit(which) for which in LIMITS]
    return [*limits, signal.pthread_sigmask(signal.SIG_BLOCK, ())]


def _has_timers() -> bool:
    """Whether an alarm is still to go off; it is stopped."""
    found = [which for which in TIMERS if signal.getitimer(which)[0]]
    for which in found:
        signal.setitimer(which, 0)
    return bool(found)


def _directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in SIGNALS]


def _has_children() -> bool:
    """Whether a process the job started still runs; ended ones are collected."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _has_threads() -> bool:
    """Whether a thread of the job's still runs; that of asgiref's executor is ended."""
    kept = SyncToAsync.single_thread_executor._threads
    if kept:
        _replace_executor()
    main = threading.main_thread()
    return any(not (one is main or one.daemon or one in kept) for one in threading.enumerate())


def _replace_executor() -> None:
    """End the thread in which asgiref ran the job's synchronous code, with its connections."""
    SyncToAsync.single_thread_executor.shutdown(wait=True)
    SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
