"""The ledger: the only user of the database in a worker.

A thread of its own, fed by the loop through `post` and answering through `news`. What it could
not write it keeps and writes later; the fence of the lifecycle decides what still counts.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

from django.db import DatabaseError, transaction
from django.db.utils import Error, InterfaceError, OperationalError

from ..conf import conf
from ..faultpoints import reach
from ..lifecycle import claiming, leasing
from ..lifecycle.engines import Engine
from ..lifecycle.engines.base import CANCEL, ORDERS
from ..lifecycle.records import Claim
from ..states import JobStatus
from . import events
from .appetite import Appetite
from .aside import Aside
from .bell import Bell
from .duties import Duties
from .journal import Journal
from .line import DatabaseLine
from .lingering import linger
from .log import logger, warn
from .processes import boottime
from .quickness import Quickness

HEAR_EVERY = 0.05
"""Seconds between two looks for news while more work is known to be due anyway."""


class Ledger:
    """`turn(now)` does what is due; `run` repeats it in a thread. Times are `time.monotonic()`."""

    def __init__(self, plan: events.Plan, quickness: Quickness) -> None:
        self.plan = plan
        self.quickness = quickness
        self.inbox: deque[events.Posted] = deque()
        self.news: deque[events.News] = deque()
        self.on_news: Callable[[], None] = lambda: None
        self.journal = Journal()
        self.aside = Aside()
        self.hear_at = 0.0
        self.duties = Duties(self)
        self.appetite = Appetite(plan.identity.concurrency, conf.CLAIM_AHEAD, quickness)
        self.draining = self.closing = self.registered = False
        self.turns, self.turn_began = 0, math.inf
        """How often it has turned, and since when it does: the loop sees by it that this thread lives."""
        self.gives_up_at = math.inf
        """When, while closing, to leave with outcomes unwritten; set by the loop."""
        self.queues: Sequence[str] = plan.identity.queues
        self.paused: frozenset[str] = frozenset()
        """Queues whose jobs are left alone for now."""
        self.bell = Bell()
        self.line = DatabaseLine(plan.identity.worker_id.hex, self.bell)

    # -- called by the loop's thread ---------------------------------------------------------------

    def post(self, posted: events.Posted) -> None:
        """Hand over an event; the ledger's thread takes it in its next turn."""
        self.inbox.append(posted)
        self.bell.ring()

    def is_behind(self) -> bool:
        """Whether the database is away, or so slow that what was posted is still to be written."""
        return bool(self.line.failures or self.inbox or self.aside.parts)

    # -- the thread --------------------------------------------------------------------------------

    def run(self) -> None:
        """Repeat `turn` until told to close and everything is written, or it is too late for that."""
        try:
            while not self.is_over():
                self.turn_began = time.monotonic()
                self.turn(self.turn_began)
                self.turn_began = math.inf
                self.turns += 1
                if self.news:
                    self.on_news()
                if time.monotonic() > self.gives_up_at:
                    self.give_up()
                    break
                if self.appetite.has_stock() and not self.closing:
                    linger(self.inbox)
                if not self.is_over():
                    now = time.monotonic()
                    self.bell.wait(self.wake_at(now) - now, self.has_news)
            self.leave()
        except BaseException as error:
            logger.exception("ledger_crashed")
            self.tell(events.LedgerCrashed(repr(error)))
            self.on_news()
        finally:
            self.line.close()

    def give_up(self) -> None:
        while self.inbox:  # What came while it waited for the database.
            self.take(self.inbox.popleft())
        kept = (self.journal, *self.aside.parts)
        warn("ledger_gave_up", unwritten=sum(len(one.outcomes) for one in kept))

    def is_over(self) -> bool:
        return self.closing and self.is_done()

    def is_done(self) -> bool:
        """Whether nothing is left to be written."""
        return not self.inbox and not self.aside.parts and self.journal.is_empty()

    def has_news(self) -> bool:
        return bool(self.inbox) or self.line.has_news()

    def turn(self, now: float) -> None:
        """Take what was posted, do what is due, write, and claim what there is room for."""
        while self.inbox:
            self.take(self.inbox.popleft())
        self.aside.return_to(self.journal, now)
        if now < self.line.retry_at:
            return
        try:
            engine = self.line.open()
            if self.line.failures:
                self.duties.reconnected(now)
            self.work(engine, now)
        except Error as error:
            self.stay_leased()
            self.line.failed(error, now)
        else:
            self.line.worked()

    def stay_leased(self) -> None:
        """Live on while the database is only locked: no worker of another host can rescue here."""
        engine = self.line.engine
        if engine is not None and engine.is_local and self.registered:
            self.tell(events.Leased(boottime(), conf.LEASE, engine.now(), time.monotonic()))

    def work(self, engine: Engine, now: float) -> None:
        if not self.queues:
            self.queues = leasing.known_queues(engine)
        if not self.appetite.may_be_due or now >= self.hear_at:
            self.hear_at = now + HEAR_EVERY
            self.hear()
        self.duties.run(engine, now)
        if self.registered and (self.journal.is_ripe(now) or self.is_hungry()):
            self.write_and_claim(engine, now)
        elif self.plan.burst and self.registered and self.is_idle(now):
            self.tell(events.NothingDue())

    def take(self, posted: events.Posted) -> None:
        if isinstance(posted, events.Drain):
            self.draining = True
            self.duties.soon("beat")
        elif isinstance(posted, events.Close):
            self.closing = True
        elif isinstance(posted, events.Enabled):
            self.appetite.enable(posted.yes)
        else:
            self.journal.add(posted)

    def tell(self, news: events.News) -> None:
        self.news.append(news)

    def write_and_claim(self, engine: Engine, now: float) -> None:
        """Write the journal and claim in one transaction: one commit, however many jobs."""
        worker = self.plan.identity.worker_id
        recorded, claims = list[events.Recorded](), list[Claim]()
        try:
            if self.journal.is_ripe(now):
                self.journal.begin()
                with transaction.atomic(using=engine.alias):
                    recorded = self.journal.write(engine, worker, now)
                    claims = self.claim(engine, len(recorded))
            else:
                claims = self.claim(engine, 0)
        except Exception as error:
            contended = isinstance(error, DatabaseError) and engine.lost_against_another(error)
            lost = isinstance(error, OperationalError | InterfaceError) and not contended
            if lost or self.journal.is_empty():
                raise
            if not contended:
                warn("batch_refused", error=type(error).__name__, message=error)
            recorded = self.journal.write_apart(engine, worker, now)
            self.aside.put(self.journal.forget_later())
        self.settle(recorded, now)
        if claims:
            reach("after_claim_commit")
            self.appetite.held.update(one.attempt_id for one in claims)
            self.tell(events.Claimed(claims))

    def is_hungry(self) -> bool:
        """Whether jobs are wanted, and some may be due."""
        stops = self.draining or self.closing
        return self.appetite.may_be_due and not stops and any(self.appetite.wants())

    def claim(self, engine: Engine, leaving: int) -> list[Claim]:
        """Claim jobs for the processes that are free and, of quick classes, some ahead of them."""
        free, ahead = self.appetite.wants(leaving)
        if not (free or ahead) or self.draining or self.closing or not self.appetite.may_be_due:
            return []
        worker, only = self.plan.identity.worker_id, self.plan.only_job
        if only is not None:
            found = claiming.claim_job(engine, worker, only)
            self.appetite.found(0, 1)  # There is no second one to look for.
            return [found] if found else []
        quick = self.quickness.classes if ahead else ()
        queues = [name for name in self.queues if name not in self.paused]
        claims = claiming.claim(engine, worker, queues, free, ahead, quick)
        self.appetite.found(len(claims), free)
        return claims

    def is_idle(self, now: float) -> bool:
        """Whether nothing is held, and a look after the last promotion has found nothing due."""
        looked = not self.appetite.may_be_due and self.duties.due_at["promote"] > now
        return looked and not self.appetite.held and not self.duties.hooks_running

    def settle(self, recorded: list[events.Recorded], now: float) -> None:
        """Let go of what has been written, and tell the loop where it waits to hear of it."""
        for one in recorded:
            self.appetite.finished(one.attempt_id)
            self._tell_outcome(one)
        for back in self.journal.given_back:
            self.appetite.held.difference_update(claim.attempt_id for claim in back.claims)
            self.appetite.may_be_due = True
        for ran in self.journal.hooks:
            self.duties.hooks_running.discard(ran.attempt_id)
        self.journal.committed(now)

    def _tell_outcome(self, one: events.Recorded) -> None:
        waits = self.journal.outcomes[one.attempt_id].waits
        if one.settled and one.settled.runs_hook and waits:
            self.duties.hooks_running.add(one.attempt_id)
        elif one.settled and one.settled.runs_hook:
            self.duties.soon("hooks")
        if one.settled and one.settled.job_status != JobStatus.COMPLETED:
            self.duties.soon("promote")
        if waits:
            self.tell(one)

    def hear(self) -> None:
        """Look whether the database has news: due jobs, or cancels."""
        if not (news := self.line.heard()):
            return
        self.duties.soon("cancels")
        if ORDERS in news:
            self.duties.soon("pauses", "operations", "beat")
        queues = news - {CANCEL, ORDERS, ""}
        if "" in news or queues:
            self.duties.look()
        if queues - set(self.queues) and not self.plan.identity.queues:
            self.queues = tuple(sorted(queues | set(self.queues)))
            self.duties.soon("names")

    def start_anew(self) -> None:
        """Become a new worker: what the old one held has been given to others."""
        self.plan.identity = replace(self.plan.identity, worker_id=uuid4())
        self.registered = False
        self.appetite.held.clear()
        self.journal = Journal()
        self.aside.clear()
        self.duties.hooks_running.clear()
        self.tell(events.LeaseLost())

    def leave(self) -> None:
        if self.registered and not self.line.failures:
            with suppress(DatabaseError):
                leasing.leave(self.line.open(), self.plan.identity.worker_id)

    def wake_at(self, now: float) -> float:
        """Return when, unless woken before, the next turn has something to do."""
        if self.line.retry_at > now:
            return self.line.retry_at
        times = [self.duties.next_at() if self.registered else now, self.aside.until]
        if (start := self.journal.next_start()) is not None:
            times.append(start)
        if self.line.look_every:
            times.append(now + self.line.look_every)
        return min(times)
