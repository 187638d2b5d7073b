"""What the ledger has still to write. Nothing leaves it before it is committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.utils import InterfaceError, OperationalError

from ..faultpoints import reach
from ..lifecycle import changing, claiming, finishing, hooks, measuring, output
from ..lifecycle.engines import Engine
from ..lifecycle.output import Piece
from ..lifecycle.records import Measurement, Outcome, Settled
from ..states import AttemptStatus, Reason
from .events import (
    Finished,
    GivenBack,
    HookRan,
    Measured,
    Posted,
    Printed,
    Progressed,
    Recorded,
    Started,
)
from .log import warn

START_AFTER = 0.02
"""Seconds after which a start is written by itself; of a shorter attempt it goes with the outcome."""


WAITS_AT_MOST = 4
"""Entries whose rows others hold that are waited for in one turn: the lease has to be renewed."""


class Journal:
    def __init__(self) -> None:
        self.starts: dict[int, Started] = {}
        self.outcomes: dict[int, Finished] = {}
        self.pieces: list[Piece] = []
        self.progress: dict[int, Progressed] = {}
        self.measures: dict[int, Measurement] = {}
        self.given_back: list[GivenBack] = []
        self.hooks: list[HookRan] = []
        self.later: list[Journal] = []
        """What somebody else held when it was to be written."""

    def add(self, event: Posted) -> None:
        if isinstance(event, Started):
            self.starts[event.start.attempt_id] = event
        elif isinstance(event, Finished):
            self.outcomes[event.outcome.attempt_id] = event
            self.starts.pop(event.outcome.attempt_id, None)
            self.measures.pop(event.outcome.attempt_id, None)
        elif isinstance(event, Printed):
            self.pieces += event.pieces
        elif isinstance(event, Progressed):
            self.progress[event.attempt_id] = event
        elif isinstance(event, Measured):
            self.measures |= {one.attempt_id: one for one in event.taken}
        elif isinstance(event, GivenBack):
            self.given_back.append(event)
        elif isinstance(event, HookRan):
            self.hooks.append(event)

    def is_empty(self) -> bool:
        return not (self.starts or any(self.without_delay()))

    def without_delay(self) -> tuple[dict[int, Any] | list[Any], ...]:
        """Return the stores of what is written as soon as it comes."""
        return (
            *(self.outcomes, self.pieces, self.progress),
            *(self.measures, self.given_back, self.hooks),
        )

    def is_ripe(self, now: float) -> bool:
        """Whether there is something that is to be written now."""
        due = self.next_start()
        return any(self.without_delay()) or (due is not None and due <= now)

    def next_start(self) -> float | None:
        """Return when (monotonic) the oldest start is to be written; None without one."""
        return min((one.monotonic + START_AFTER for one in self.starts.values()), default=None)

    def begin(self) -> None:
        """Be told that the transaction begins in which all that is ripe is to be written."""
        if self.outcomes:
            reach("with_outcomes")

    def write(self, engine: Engine, worker: UUID, now: float) -> list[Recorded]:
        """Write all that is ripe, in the caller's transaction, and return what became of outcomes."""
        if self.pieces:
            output.store(engine, self.pieces)
        if ripe := self.ripe(now):
            finishing.record_starts(engine, worker, [one.start for one in ripe])
            reach("before_start_commit")
        if self.measures:
            measuring.record_measures(engine, worker, self.measures.values())
        for one in self.progress.values():
            changing.report_progress(
                engine, one.job_id, one.number, one.done, one.total, one.message
            )
        for back in self.given_back:
            claiming.unclaim(engine, worker, back.claims)
        for ran in self.hooks:
            hooks.hook_done(engine, worker, ran.attempt_id, ran.output_bytes, ran.output_dropped)
        outcomes = [one.outcome for one in self.outcomes.values()]
        results = self._finish(engine, worker, outcomes) if outcomes else []
        return [
            Recorded(one.attempt_id, settled)
            for one, settled in zip(outcomes, results, strict=True)
        ]

    def _finish(
        self, engine: Engine, worker: UUID, outcomes: list[Outcome]
    ) -> list[Settled | None]:
        reach("before_outcome")
        results = finishing.finish(engine, worker, outcomes)
        reach("before_outcome_commit")
        return results

    def ripe(self, now: float) -> list[Started]:
        return [one for one in self.starts.values() if one.monotonic + START_AFTER <= now]

    def committed(self, now: float) -> None:
        """Forget what the last `write` has written."""
        if self.outcomes:
            reach("after_outcome_commit")
        for start in self.ripe(now):
            del self.starts[start.start.attempt_id]
        for store in self.without_delay():
            store.clear()

    def write_apart(self, engine: Engine, worker: UUID, now: float) -> list[Recorded]:
        """Write each entry in a transaction of its own, after the database refused them together.

        What somebody else holds is set aside in `later`. What is refused for good is dropped, with a
        line in the log; an outcome is replaced by one that says that it could not be stored, so that
        its job does not stay running.
        """
        recorded: list[Recorded] = []
        self.later = []  # What a try before has left there, cut short by an outage, is in here still.
        for part in self._apart():
            if len(self.later) >= WAITS_AT_MOST:
                self.later.append(part)
                continue
            try:
                with transaction.atomic(using=engine.alias):
                    recorded += part.write(engine, worker, now)
            except (OperationalError, InterfaceError) as error:
                if isinstance(error, InterfaceError) or not engine.lost_against_another(error):
                    raise
                self.later.append(part)
            except Exception as error:
                recorded += part.write_without_values(engine, worker, now, error)
        return recorded

    def forget_later(self) -> list[Journal]:
        """Take out what was set aside, so that it does not count as written. Returns it."""
        later, self.later = self.later, []
        for part in later:
            for attempt_id in part.outcomes:
                del self.outcomes[attempt_id]
            for attempt_id in part.starts:
                del self.starts[attempt_id]
            for attempt_id in part.progress:
                self.progress.pop(attempt_id, None)
            for attempt_id in part.measures:
                self.measures.pop(attempt_id, None)
            self.given_back = [one for one in self.given_back if one not in part.given_back]
            self.hooks = [one for one in self.hooks if one not in part.hooks]
        return later

    def take_up(self, part: Journal) -> None:
        """Add what was set aside; newer progress and measures stand."""
        self.starts |= part.starts
        self.outcomes |= part.outcomes
        self.pieces += part.pieces
        self.progress = part.progress | self.progress
        self.measures = part.measures | self.measures
        self.given_back += part.given_back
        self.hooks += part.hooks

    def _apart(self) -> Iterator[Journal]:
        events: list[Posted] = [Printed([piece]) for piece in self.pieces]
        events += [Measured([one]) for one in self.measures.values()]
        events += [*self.starts.values(), *self.progress.values(), *self.given_back]
        for event in [*events, *self.hooks, *self.outcomes.values()]:
            part = Journal()
            part.add(event)
            yield part

    def write_without_values(
        self, engine: Engine, worker: UUID, now: float, error: Exception
    ) -> list[Recorded]:
        """Write what is left of a single entry whose values the database refuses."""
        warn("refused_by_database", error=type(error).__name__, message=error)
        if not self.outcomes:
            return []
        for one in self.outcomes.values():
            outcome = one.outcome
            outcome.status, outcome.reason, outcome.final = (
                AttemptStatus.FAILED,
                Reason.RESULT,
                True,
            )
            outcome.result, outcome.traceback, outcome.receipt = None, "", None
            outcome.cpu_seconds = outcome.peak_rss = outcome.samples = None
            outcome.error_type = type(error).__name__
            outcome.error_message = "the database refused to store this outcome"
        with transaction.atomic(using=engine.alias):
            return self.write(engine, worker, now)
