"""The supervisor's view of a child: its pipes, what it runs, and how that is to be stopped."""

from __future__ import annotations

import math
import os
import socket
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from ..conf import conf
from ..lifecycle.hooks import DueHook
from ..lifecycle.records import Claim, Outcome
from ..states import Reason
from .buffers import OutputBuffer
from .limits import Limits
from .protocol import Channel, ChildReport, Done, Progress, Reaped, Run, RunHook, child_reports
from .samples import Samples

LONGEST_REPORT = 1 << 22
"""Bytes of a child's message, without a result: a record or a traceback of 64 Ki characters, escaped."""
DEAF = 5
"""Seconds that the worker waits, with all else it does, for a process to make room for an order."""
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
    hook: DueHook | None = None
    """One of the two is there: what it came from."""
    deadline: float | None = None
    peak_rss: int = 0
    samples: Samples | None = None
    """None until it has been measured."""
    sample_at: float = 0.0
    told_at: float = 0.0
    """When the ledger was last told what it takes."""
    progress: Progress | None = None
    """Reported and not told to the ledger yet."""
    progressed_at: float = 0.0
    stop: Reason | None = None
    """Why it is being stopped."""
    told: bool = False
    """Whether its process was sent word of that."""
    kill_at: float | None = None
    receipt: dict[str, Any] | None = None


class Child:
    """One process that runs jobs, as the supervisor knows it."""

    def __init__(self, ticket: int, now: float) -> None:
        self.ticket = ticket
        self.phase = Phase.BOOTING
        self.born = now
        self.is_ready = False
        """Whether it has said so."""
        self.gone_by = math.inf
        """When (monotonic) it is ended, if it has not left by then as it was told to."""
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
        self.streams: dict[str, int] = {}
        self.writers: list[int] = []
        self._open()

    def _open(self) -> None:
        ours, self.theirs = socket.socketpair()
        longest = LONGEST_REPORT + 2 * conf.RESULT_LIMIT
        self.channel: Channel[ChildReport] = Channel(ours, child_reports, longest)
        self.channel.wait_at_most(DEAF)
        try:
            self._open_streams()
        except OSError:
            self.close()
            raise

    def _open_streams(self) -> None:
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

    def begin(self, current: Attempting, order: Run | RunHook) -> bool:
        """Give the child something to run. Returns False where it is dead, or does not listen."""
        try:
            self.channel.send(order)
        except EOFError:
            self.retire = "deaf"
            return False
        self.phase, self.current, self.done = Phase.BUSY, current, None
        return True

    def has_begun(self) -> bool:
        """Whether a child that has ended may have read its last order: it has, for all we know."""
        return not self.channel.was_reset or (self.current is not None and self.current.told)

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


@dataclass(slots=True)
class Waiting:
    """A failed attempt whose class has a `failed()`, until it is recorded whether that is to run."""

    child: Child
    claim: Claim
    outcome: Outcome
    output: OutputBuffer

    def hook(self) -> DueHook:
        claim, outcome = self.claim, self.outcome
        return DueHook(
            *claim[:4],
            claim.arguments,
            outcome.reason,
            outcome.error_type,
            outcome.error_message,
            self.output.total,
            self.output.line,
            self.output.dropped,
        )
