"""The supervisor's view of a child: its pipes, what it runs, and how that is to be stopped."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from ..lifecycle.records import Claim
from ..states import Reason
from .buffers import OutputBuffer
from .limits import Limits
from .protocol import Channel, ChildReport, Done, Reaped, Run, RunHook, child_reports
from .samples import Samples

READ = 1 << 16
DRAIN_AT_MOST = 1 << 24
"""Bytes read from a pipe at the end of an attempt: a process left behind may write for ever."""


class Phase(Enum):
    BOOTING = "booting"
    IDLE = "idle"
    BUSY = "busy"
    WAITING = "waiting"
    """For the ledger's word whether `failed()` is to run."""
    LEAVING = "leaving"
    """Takes no more jobs: its process ends, or has been told to."""


@dataclass(slots=True)
class Attempting:
    """An attempt in a child, or its `failed()` hook. Plain numbers of time are monotonic seconds."""

    attempt_id: int
    job_id: int
    number: int
    job_class: str
    output: OutputBuffer
    started: float
    started_at: datetime
    limits: Limits
    claim: Claim | None = None
    """None for a hook."""
    deadline: float | None = None
    peak_rss: int = 0
    samples: Samples | None = None
    """None until it has been measured."""
    sample_at: float = 0.0
    stop: Reason | None = None
    """Why it is being stopped."""
    kill_at: float | None = None
    receipt: dict[str, Any] | None = None


class Child:
    """One process that runs jobs, as the supervisor knows it."""

    def __init__(self, ticket: int, now: float) -> None:
        self.ticket = ticket
        self.phase = Phase.BOOTING
        self.born = now
        self.pid = 0
        self.jobs_done = 0
        self.cpu_total = 0.0
        """Seconds of CPU up to the end of its last attempt."""
        self.largest_peak = 0
        """Bytes, of the attempts before the current one."""
        self.retire = ""
        """Why it must not run another job."""
        self.current: Attempting | None = None
        self.done: Done | None = None
        """What it reported of the current attempt, where that is not recorded yet."""
        self.reaped: Reaped | None = None
        self.killing = False
        ours, self.theirs = socket.socketpair()
        self.channel: Channel[ChildReport] = Channel(ours, child_reports)
        self.streams: dict[str, int] = {}
        self.writers: list[int] = []
        for source in ("out", "err"):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self.streams[source] = reader
            self.writers.append(writer)

    def handed_over(self) -> None:
        """Close the ends that the child now has."""
        self.theirs.close()
        for fd in self.writers:
            os.close(fd)
        self.writers.clear()

    def begin(self, current: Attempting, order: Run | RunHook) -> None:
        """Give the child something to run."""
        self.phase, self.current, self.done = Phase.BUSY, current, None
        with suppress(EOFError):  # It has just died; the launcher is about to say how.
            self.channel.send(order)

    def is_clean(self) -> bool:
        """Whether nothing but the process itself has to go."""
        return self.retire in ("", "fresh", "age")

    def stays(self) -> bool:
        """Whether it will be there for another job; the successor of one that will not boots already."""
        leaves_after = self.current is not None and self.current.limits.fresh
        return self.phase is not Phase.LEAVING and not leaves_after

    def read(self, source: str) -> int:
        """Move what a stream holds to the output of what runs.

        Returns how many bytes there were: 0 at the stream's end, -1 where it is only empty now.
        """
        try:
            data = os.read(self.streams[source], READ)
        except BlockingIOError:
            return -1
        if data and self.current is not None:
            self.current.output.add(source, data)
        return len(data)

    def drain(self) -> None:
        """Read both streams until they are empty."""
        for source in self.streams:
            left = DRAIN_AT_MOST
            while left > 0 and (read := self.read(source)) > 0:
                left -= read

    def close(self) -> None:
        self.channel.close()
        for fd in (*self.streams.values(), *self.writers):
            os.close(fd)
        self.streams.clear()
        self.writers.clear()
