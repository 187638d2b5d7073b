"""Handing claimed jobs, and hooks that are due, to free children."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

from ..faultpoints import reach
from ..lifecycle.hooks import DueHook
from ..lifecycle.records import Claim, Start
from . import events
from .buffers import Echo, OutputBuffer
from .children import Attempting, Child
from .limits import Limits, limits_of
from .pool import Pool
from .protocol import Run, RunHook
from .quickness import Quickness

PATIENCE = 0.1
"""Seconds a claimed job waits for a process, while all are busy, until it is given back."""


class Handover:
    """Jobs wait here, in order, between their claim and a free process."""

    def __init__(
        self,
        pool: Pool,
        post: Callable[[events.Posted], None],
        clock: Callable[[], datetime],
        quickness: Quickness,
        echo: Echo | None,
    ) -> None:
        self.pool, self.post, self.clock, self.quickness = pool, post, clock, quickness
        self.echo = echo
        self.worker = ""
        self.ready: deque[Claim] = deque()
        self.hooks: deque[DueHook] = deque()
        self.moved_at = 0.0

    def add(self, claims: list[Claim]) -> None:
        self.ready.extend(claims)
        self.moved_at = time.monotonic()

    def turn(self, now: float) -> None:
        """Give free children what waits, the hooks first; give back what waits for too long."""
        while self.hooks and (child := self.pool.take(fresh=False)):
            self.start_hook(self.hooks.popleft(), child, now)
        while self.ready and self._start_next(now):
            self.moved_at = now
        if self.ready and now >= self.gives_back_at():
            self.give_back()

    def gives_back_at(self) -> float:
        """Return when what waits is given back; children that are starting are waited for."""
        return float("inf") if self.pool.has_booting() else self.moved_at + PATIENCE

    def take_back(self, current: Attempting) -> None:
        """Have what no process has begun wait for another, as the first."""
        if current.hook is not None:
            self.hooks.appendleft(current.hook)
        elif current.claim is not None:
            self.ready.appendleft(current.claim)
            self.moved_at = time.monotonic()

    def give_back(self) -> None:
        """Let other workers have what waits here."""
        if self.ready:
            self.quickness.flows = False
            self.post(events.GivenBack(list(self.ready)))
            self.ready.clear()

    def give_back_of(self, queues: frozenset[str]) -> None:
        """Give back what waits here of these queues."""
        if stopped := [claim for claim in self.ready if claim.queue in queues]:
            self.ready = deque(claim for claim in self.ready if claim.queue not in queues)
            self.post(events.GivenBack(stopped))

    def _start_next(self, now: float) -> bool:
        claim = self.ready[0]
        limits = limits_of(claim.job_class)
        child = self.pool.take(fresh=limits.fresh)
        if child is None:
            return False
        self.ready.popleft()
        self._start(claim, limits, child, now)
        return True

    def _start(self, claim: Claim, limits: Limits, child: Child, now: float) -> None:
        attempt_id, job_id, number, name = claim[:4]
        at = self.clock()
        output = OutputBuffer(attempt_id, limits.output, echo=self.echo)
        current = Attempting(attempt_id, job_id, number, name, output, now, at, limits, claim)
        if limits.timeout is not None:
            current.deadline = now + limits.timeout
        order = Run(attempt_id, job_id, number, name, claim.arguments, self.worker, limits.fresh)
        if not child.begin(current, order):
            self.pool.dismiss(child)
            self.ready.appendleft(claim)
            return
        reach("after_handover")
        self.post(events.Started(Start(attempt_id, job_id, at, child.pid), now))

    def start_hook(
        self, hook: DueHook, child: Child, now: float, output: OutputBuffer | None = None
    ) -> None:
        """Have `failed()` run in a child; `output` goes on with the attempt's own where it is here."""
        limits = limits_of(hook.job_class)
        if output is None:
            output = OutputBuffer(
                *(hook.attempt_id, limits.output, hook.output_bytes, self.echo),
                line=hook.output_lines,
            )
            output.dropped = hook.output_dropped
        current = Attempting(*hook[:4], output, now, self.clock(), limits, hook=hook)
        current.deadline = now + limits.hook_timeout
        if not child.begin(current, RunHook(*hook[:8])):
            self.pool.dismiss(child)
            self.hooks.appendleft(hook)
