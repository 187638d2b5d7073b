"""The contract of an engine, and the statements all databases share."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from django.db import DatabaseError, InternalError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ...models import Job
from ...models.rollups import Shape
from ...origins import Origin
from ...states import LIVE_WORKERS, TRANSITIONS, WAITING
from ..records import Claim, JobSpec, Outcome, Start

CHANNEL = "jobs"
"""What workers listen on; the payload is a queue's name, CANCEL or ORDERS."""
CANCEL, ORDERS = "\x01cancel", "\x01orders"
"""That a running job is to be cancelled; that a queue was paused or resumed, or a worker is to drain."""

CLAIMED_COLUMNS = (
    "id, attempts_made, job_class, queue, priority, run_at, arguments, "
    "attempts_spent, max_attempts, interruptions, losses"
)
BEST_FIRST = "priority DESC, run_at, id"
PROMOTE = TRANSITIONS["promote"]
CLAIM, COMPLETE = TRANSITIONS["claim"], TRANSITIONS["complete"]
WAITS = ", ".join(f"'{status}'" for status in sorted(WAITING))
LIVE = ", ".join(f"'{status}'" for status in sorted(LIVE_WORKERS))


INSISTS_FOR, LONGEST_PAUSE = 2.0, 0.02
"""Seconds in which a transaction is begun again, and at most between two tries."""
T = TypeVar("T")


class Listener(Protocol):
    """Tells a worker that it is worth looking at the database."""

    look_again: float
    """Seconds after something was heard when there may be more of which nobody tells; else 0."""

    @property
    def interval(self) -> float:
        """Seconds after which to look although nothing was heard; 0 where a look would not tell."""

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when there is news, or -1."""

    def has_news(self) -> bool:
        """Whether something was heard besides what makes the descriptor readable."""

    def heard(self) -> set[str]:
        """Return what was heard since the last call, without waiting: names of queues, CANCEL, ORDERS."""

    def close(self) -> None: ...


class SilentListener:
    """Hears nothing: the worker polls."""

    interval = look_again = 0.0

    def fileno(self) -> int:
        return -1

    def has_news(self) -> bool:
        return False

    def heard(self) -> set[str]:
        return set()

    def close(self) -> None:
        pass


ADD_UP = """
INSERT INTO {table} ({columns}) VALUES {rows} {on_conflict} {changes}
"""
ADD = "{column} = coalesce({table}.{column} + {new}, {table}.{column}, {new})"
ROLLUPS_AT_ONCE = 100
"""Rows of some eighty parameters each, well below SQLite's 32,766."""


class Engine(ABC):
    """The statements of one database, on one connection of the calling thread."""

    is_local = False
    """Whether all who use this database are processes of one host."""
    claims_alone = False
    """Whether `claim` is one statement, and so needs no transaction around it."""
    queues_at_once = 400
    """Queues that one statement can claim from. SQLite takes 500 SELECTs together."""

    on_conflict = "ON CONFLICT ({key}) DO UPDATE SET"
    new_value = "excluded.{column}"
    """The value of a column that the row in conflict would have had."""
    larger, smaller = "greatest", "least"
    """The functions that return the larger and the smaller of two values."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.alias = connection.alias

    @abstractmethod
    def now(self) -> datetime:
        """Return the time by the database's clock."""

    @abstractmethod
    def insert(self, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
        """Store jobs, in the caller's transaction, and return them in order with stored values.

        Also tells listening workers, as soon as the transaction is committed.
        """

    @abstractmethod
    def claim(
        self, worker: UUID, queues: Sequence[str], free: int, ahead: int, quick: Sequence[str]
    ) -> list[Claim]:
        """Move up to `free` best due jobs to running, and up to `ahead` more of the `quick` classes.

        Opens an attempt for each and returns the claims, best first. Unless it `claims_alone`, it
        runs in a transaction of the caller. An attempt of a job that was interrupted before counts
        as started at once. A worker that is not live, or is about to be declared lost, claims
        nothing.
        """

    @abstractmethod
    def promote(self, limit: int) -> int:
        """Queue up to `limit` of the waiting jobs that are due, the oldest first. Returns how many.

        Also tells listening workers.
        """

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when the next waiting job is due; None where none waits."""

    def oldest_snapshot(self) -> timedelta | None:
        """Return for how long a transaction of others has kept the database from removing old rows.

        None where there is none, or where no such thing slows claims down.
        """
        return None

    @abstractmethod
    def due_queues(self) -> list[str]:
        """Return the queues with a due job, one index probe for each."""

    @abstractmethod
    def complete(self, worker: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        """Close running attempts of `worker` as completed, and their jobs, in the caller's transaction.

        Returns the ids of the attempts it moved.
        """

    @abstractmethod
    def record_starts(self, worker: UUID, starts: Sequence[Start]) -> set[int]:
        """Write when and to which process running attempts of `worker` were handed.

        Runs in a transaction of the caller. Returns the ids of the attempts that were still its.
        """

    @abstractmethod
    def notify(self, payloads: Iterable[str]) -> None:
        """Tell listening workers, as soon as the caller's transaction is committed."""

    @abstractmethod
    def listen(self, name: str) -> Listener:
        """Return the best listener this database offers; `name` is unique to the worker."""

    def lost_against_another(self, error: DatabaseError) -> bool:
        """Whether a transaction failed only because another was under way: beginning anew may do."""
        return False

    def outlived(self, error: DatabaseError) -> bool:
        """Whether the session is as good as before an error, which was about its statement alone."""
        about_session = isinstance(error, OperationalError | InternalError)
        return self.lost_against_another(error) or not about_session

    def insist(self, act: Callable[[], T]) -> T:
        """Return what `act` gives in a transaction, begun again where it lost against another one.

        Within a transaction of the caller's it runs once: the database has undone that one, too.
        """
        give_up_at = time.monotonic() + (0 if self.connection.in_atomic_block else INSISTS_FOR)
        while True:
            try:
                with transaction.atomic(using=self.alias, savepoint=False):
                    return act()
            except DatabaseError as error:
                if time.monotonic() >= give_up_at or not self.lost_against_another(error):
                    raise
            time.sleep(random.uniform(0, LONGEST_PAUSE))

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Open a transaction that ends, with nothing changed, where another one is in its way."""
        try:
            with transaction.atomic(using=self.alias, savepoint=False):
                yield
        except DatabaseError as error:
            if not self.lost_against_another(error):
                raise

    def add_up(self, shape: Shape, sums: Sequence[Mapping[str, Any]]) -> None:
        """Add values to the rows of the same key, or create them; what is left out stays.

        A mapping is column → value. Rows are changed in the order given.
        """
        for start in range(0, len(sums), ROLLUPS_AT_ONCE):
            some = sums[start : start + ROLLUPS_AT_ONCE]
            columns = sorted(set().union(*some))
            row = f"({', '.join(['%s'] * len(columns))})"
            added = [name for name in columns if name not in (*shape.key, *shape.fixed)]
            sql = ADD_UP.format(
                table=shape.table,
                columns=", ".join(columns),
                rows=", ".join([row] * len(some)),
                on_conflict=self.on_conflict.format(key=", ".join(shape.key)),
                changes=", ".join(self._added(shape, name) for name in added),
            )
            with self.connection.cursor() as cursor:
                cursor.execute(sql, [one.get(name) for one in some for name in columns])

    def _added(self, shape: Shape, column: str) -> str:
        new, table = self.new_value.format(column=column), shape.table
        if column in (*shape.largest, *shape.smallest):
            chosen = self.larger if column in shape.largest else self.smaller
            return f"{column} = {chosen}({table}.{column}, {new})"
        return ADD.format(table=table, column=column, new=new)

    def rows(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


FIELDS = [field.attname for field in Job._meta.concrete_fields]
BLANK = [field.get_default() for field in Job._meta.concrete_fields]
"""What the columns of a new job hold where nothing was given."""
GIVEN = [
    FIELDS.index(name)
    for name in (
        "id",
        "job_class",
        "queue",
        "priority",
        "arguments",
        "status",
        "run_at",
        "created_at",
        "max_attempts",
        "origin",
        "parent_id",
    )
]


def stored_origin(origin: Origin) -> tuple[str, int | None]:
    """Return what its two columns hold."""
    return msgspec.json.encode(origin.told).decode(), origin.parent_id


def stored_job(
    alias: str,
    spec: JobSpec,
    origin: Origin,
    pk: int,
    status: str,
    run_at: datetime,
    created_at: datetime,
) -> Job:
    """Return the instance of a row that was just written, as a query would."""
    row = BLANK.copy()
    values = (pk, *spec[:4], status, run_at, created_at, spec.max_attempts, *origin)
    for place, value in zip(GIVEN, values, strict=True):
        row[place] = value
    return Job.from_db(alias, FIELDS, row)
