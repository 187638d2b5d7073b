"""What the ledger does by the clock: lease, promotion, cancels, rescue, hooks, names, upkeep."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import DatabaseError

from ..conf import conf
from ..faultpoints import reach
from ..lifecycle import changing, claiming, dumping, hooks, leasing, operations, pausing
from ..lifecycle.engines import Engine
from ..models import Worker
from ..registry import all_classes
from . import events
from .log import event, warn
from .processes import boottime, is_gone, resident
from .remains import Owner, end_remains
from .upkeep import PAUSE, SHARE, upkeep

if TYPE_CHECKING:
    from .ledger import Ledger

JITTER = 0.1
"""Share by which an interval varies, so that workers do not act in step."""
FIRST_POLL = 0.05
"""Seconds between two polls right after something was found; each empty one doubles it."""
OPERATIONS_PAUSE = 5.0
"""Seconds between two looks for operations, where nothing is heard of them."""
JUMP, SLACK = 0.25, 1.0
"""Share of the lease, and seconds more, by which the database's clock may differ from ours between two
looks at it: an answer may take its time."""
PUT_OFF = 2.0
"""Seconds until a duty that failed alone is tried again."""


class Duties:
    """Periodic work; `next_at` says when the next is due, in `time.monotonic()` seconds."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.work: dict[str, Callable[[Engine, float], float]] = {
            "beat": self.beat,
            "promote": self.promote,
            "names": self.names,
            "pauses": self.pauses,
            "poll": self.poll,
            "cancels": self.cancels,
            "neighbours": self.neighbours,
            "rescue": self.rescue,
            "hooks": self.hooks,
            "upkeep": self.upkeep,
            "operations": self.operations,
        }
        self.due_at = dict.fromkeys(self.work, 0.0)
        self.round_at = 0.0
        """When all that is due once in a poll interval is due next: waking up costs more than a query."""
        self.poll_pause = FIRST_POLL
        self.rescue_from = 0.0
        """When (monotonic) leases of others may be trusted to be really over."""
        self.looked_at: tuple[datetime, float] | None = None
        """The database's time and our own (monotonic) when leases were looked at last."""
        self.hooks_running: set[int] = set()
        self.entered: set[str] = set()
        self.put_off: set[str] = set()
        """Duties that have failed for a reason of their own, such as a row that somebody holds."""

    def next_at(self) -> float:
        return min(self.due_at.values())

    def soon(self, *names: str) -> None:
        self.due_at |= dict.fromkeys(names, 0.0)

    def reconnected(self, now: float) -> None:
        """Look at everything again, but trust no lease: all were late while the database was away."""
        self.rescue_from = now + conf.LEASE
        self.soon(*self.due_at)

    def run(self, engine: Engine, now: float) -> None:
        varied = random.uniform(1 - JITTER, 1 + JITTER)
        if now >= self.round_at:
            self.round_at = now + conf.POLL_INTERVAL * varied
        for name, due_at in self.due_at.items():
            if due_at <= now and (self.ledger.registered or name == "beat"):
                pause = self._carry_out(name, engine, now)
                reach("in_tick")
                in_rounds = pause == conf.POLL_INTERVAL
                self.due_at[name] = self.round_at if in_rounds else now + pause * varied

    def _carry_out(self, name: str, engine: Engine, now: float) -> float:
        """Do one duty and return when it is due again; what it alone cannot do holds up nothing else."""
        try:
            pause = self.work[name](engine, now)
        except DatabaseError as error:
            if not engine.outlived(error) or (name == "beat" and not self.ledger.registered):
                raise
            if name not in self.put_off:
                warn("duty_put_off", duty=name, error=type(error).__name__, message=error)
                self.put_off.add(name)
            return PUT_OFF
        self.put_off.discard(name)
        return pause

    # -- each returns the seconds until it is due again ----------------------------------------------

    def beat(self, engine: Engine, now: float) -> float:
        """Renew the lease; the first time, and after it was lost, enter the worker anew."""
        reach("before_beat")
        ledger, lease, at = self.ledger, conf.LEASE, boottime()
        identity = ledger.plan.identity
        self._obey(engine)
        if not ledger.registered:
            leasing.register(engine, identity, lease)
            ledger.registered = True
            event("worker_registered", worker=identity.worker_id)
        elif not leasing.renew(
            engine, identity.worker_id, lease, draining=ledger.draining, usage=_usage()
        ):
            warn("lease_lost", worker=identity.worker_id)
            ledger.start_anew()
            return 0.0
        else:
            # Each time: a server may commit what it was sent long after the connection was lost.
            claiming.unclaim_strays(engine, identity.worker_id, ledger.appetite.held)
        ledger.tell(events.Leased(at, lease, engine.now(), time.monotonic()))
        return conf.BEAT

    def _obey(self, engine: Engine) -> None:
        """Take no more jobs once somebody has asked this worker to leave."""
        ledger = self.ledger
        here = ledger.registered and not ledger.draining
        if here and leasing.drain_asked(engine, ledger.plan.identity.worker_id):
            ledger.draining = True
            ledger.tell(events.DrainAsked())

    def names(self, engine: Engine, now: float) -> float:
        """Enter the names of classes and queues, and learn of queues with due jobs."""
        ledger = self.ledger
        if not self.entered:
            classes = all_classes()
            known = {one.queue for one in classes.values()} | set(ledger.plan.identity.queues)
            leasing.enter_names(engine, known, classes)
            self.entered |= known
        if ledger.plan.identity.queues:
            return 3600.0
        found = set(engine.due_queues())
        if found - self.entered:
            leasing.enter_names(engine, found - self.entered, ())
            self.entered |= found
        if found - set(ledger.queues):
            ledger.queues = tuple(sorted(found | set(ledger.queues)))
            ledger.appetite.may_be_due = True
        return conf.POLL_INTERVAL

    def pauses(self, engine: Engine, now: float) -> float:
        """Learn which queues are paused; of one that is so anew, give back what has not begun."""
        ledger, paused = self.ledger, pausing.paused_queues(engine)
        if paused - ledger.paused:
            ledger.tell(events.QueuesPaused(paused))
        if ledger.paused - paused:
            ledger.appetite.may_be_due = True
        ledger.paused = paused
        return conf.POLL_INTERVAL

    def promote(self, engine: Engine, now: float) -> float:
        """Queue what is due, and come back when the next job is."""
        while promoted := claiming.promote(engine):
            reach("after_promote")
            self.ledger.appetite.may_be_due = True
            if promoted < claiming.PROMOTED_AT_ONCE:
                break
        due = claiming.next_due(engine)
        if due is None:
            return conf.POLL_INTERVAL
        return min(max((due - engine.now()).total_seconds(), 0.001), conf.POLL_INTERVAL)

    def look(self) -> None:
        """Look for due jobs now, and again when those are there that nobody tells of."""
        self.ledger.appetite.may_be_due = True
        if pause := self.ledger.line.look_again:
            self.due_at["poll"] = min(self.due_at["poll"], time.monotonic() + pause)

    def poll(self, engine: Engine, now: float) -> float:
        """Look for due jobs although nothing was heard: less and less often while none are found."""
        idle = self.ledger.appetite.found_nothing
        self.poll_pause = min(self.poll_pause * 2, conf.POLL_INTERVAL) if idle else FIRST_POLL
        self.ledger.appetite.found_nothing = True
        self.ledger.appetite.may_be_due = True
        return self.poll_pause

    def cancels(self, engine: Engine, now: float) -> float:
        """Learn which of the attempts held here are to be stopped, or to write their stacks."""
        if self.ledger.appetite.held:
            asked = changing.cancels_asked(engine, self.ledger.plan.identity.worker_id)
            if asked:
                self.ledger.tell(events.CancelAsked(asked))
            dumps = dumping.dumps_asked(engine, self.ledger.plan.identity.worker_id)
            if dumps:
                self.ledger.tell(events.DumpAsked(dumps))
        return conf.POLL_INTERVAL if self.ledger.line.hears else conf.POLL_INTERVAL / 2

    def neighbours(self, engine: Engine, now: float) -> float:
        """Take over at once from workers of this host whose process is gone."""
        identity = self.ledger.plan.identity
        for other in shuffled(leasing.neighbours(engine, identity)):
            if is_gone(other.pid, other.process_started) and _end_remains(other):
                self._rescue(engine, other.id, gone=True)
        return conf.POLL_INTERVAL

    def rescue(self, engine: Engine, now: float) -> float:
        """Take over from workers, wherever they are, whose lease has run out."""
        at = engine.now()
        if self._has_jumped(at) or self.rescue_from == 0.0:
            self.rescue_from = now + conf.LEASE
        identity = self.ledger.plan.identity
        if now >= self.rescue_from:
            for worker in shuffled(leasing.expired(engine, at)):
                if worker.id != identity.worker_id:
                    if worker.host_id == identity.host_id:
                        _end_remains(worker)  # Frozen with its launcher, it would wake up later.
                    self._rescue(engine, worker.id, gone=False)
        return conf.BEAT

    def _has_jumped(self, at: datetime) -> bool:
        """Whether the database's clock was set: then every lease looks as if it were over, or far from it."""
        here, before = time.monotonic(), self.looked_at
        self.looked_at = at, here
        if before is None:
            return False
        jump = (at - before[0]).total_seconds() - (here - before[1])
        if abs(jump) > conf.LEASE * JUMP + SLACK:
            warn("clock_was_set", seconds=round(jump, 1), rescues="none for one lease")
            return True
        return False

    def _rescue(self, engine: Engine, worker: object, *, gone: bool) -> None:
        reach("before_rescue")
        settled = leasing.rescue(engine, worker, gone=gone)  # type: ignore[arg-type]
        reach("after_rescue")
        if settled is not None:
            warn("worker_rescued", worker=worker, attempts=len(settled), gone=gone)
            self.ledger.appetite.may_be_due = True
            self.soon("hooks", "promote")

    def upkeep(self, engine: Engine, now: float) -> float:
        """Merge statistics and delete what is old, unless this worker is about to leave."""
        return PAUSE if self.ledger.draining else upkeep(engine)

    def operations(self, engine: Engine, now: float) -> float:
        """Take a step of what was asked for many jobs, leaving most of the time to other duties."""
        began = time.monotonic()
        if self.ledger.draining or not operations.advance(engine):
            return OPERATIONS_PAUSE
        return (time.monotonic() - began) * (1 / SHARE - 1)

    def hooks(self, engine: Engine, now: float) -> float:
        """Find jobs whose `failed()` is still to run."""
        worker = self.ledger.plan.identity.worker_id
        due = [
            one
            for one in hooks.due_hooks(engine, worker)
            if one.attempt_id not in self.hooks_running
        ]
        if due and not self.ledger.draining:
            self.hooks_running.update(one.attempt_id for one in due)
            self.ledger.tell(events.HooksDue(due))
        return conf.BEAT


def shuffled(workers: list[Worker]) -> list[Worker]:
    """Return them in any order: one whose rows somebody holds does not keep the others waiting."""
    return random.sample(workers, len(workers))


def _usage() -> leasing.Usage:
    return leasing.Usage(resident(os.getpid()), time.process_time())


def _end_remains(worker: Worker) -> bool:
    return end_remains(Owner(worker.pid, worker.process_started))
