"""PostgreSQL's notifications: sending few of them, and hearing them.

The server commits transactions that notify one after the other, each with its own wait for the disk. Eight
clients that dispatch one by one got a quarter of the jobs in that they do without. So a process tells of a
queue once in a while, a worker that was told looks once more later, and what belongs to a transaction of
the caller's is told after it, by a transaction that writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from ..records import JobSpec
from .base import CHANNEL, Engine

QUIET = 0.04
"""Seconds in which a process tells of a queue but once."""
LOOK_AGAIN = 0.05
"""Seconds after which a worker that was told looks for what it was not told: a little longer."""

REMEMBERED = 1_000
"""Queues of which that is remembered; one that is forgotten is told of once more."""
_told: dict[tuple[str, str], float] = {}
"""Alias and queue → until when (monotonic) this process keeps quiet; only what is committed counts."""


class Crier:
    """Tells workers of the jobs of one insert."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.connection = engine.connection
        self.is_crying = False

    def cries_at_once(self, specs: Sequence[JobSpec]) -> bool:
        """Whether the statement that stores these jobs is to tell of them: where it commits by itself."""
        if not self.connection.in_atomic_block:
            self.is_crying = bool(self._untold({spec.queue for spec in specs}))
        return self.is_crying

    def stored(self, queues: set[str]) -> None:
        """Note that due jobs of these queues have been stored."""
        if not queues:
            return
        if self.connection.in_atomic_block:
            transaction.on_commit(partial(self._cry, queues), self.engine.alias, robust=True)
        elif self.is_crying and self.connection.get_autocommit():
            self._note(queues)

    def _cry(self, queues: set[str]) -> None:
        if untold := self._untold(queues):
            self.engine.notify(untold)
            self._note(untold)

    def _untold(self, queues: Iterable[str]) -> set[str]:
        now = time.monotonic()
        return {name for name in queues if _told.get((self.engine.alias, name), 0.0) <= now}

    def _note(self, queues: Iterable[str]) -> None:
        if len(_told) > REMEMBERED:
            _told.clear()
        until = time.monotonic() + QUIET
        _told.update({(self.engine.alias, name): until for name in queues})


class NotifyListener:
    """LISTEN on the connection the worker uses anyway; psycopg collects what arrives."""

    interval = 0.0
    look_again = LOOK_AGAIN

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.news: set[str] = set()
        connection.ensure_connection()
        self.driver = connection.connection
        self.driver.add_notify_handler(self._keep)
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")

    def _keep(self, notification: Any) -> None:
        self.news.add(notification.payload)

    def fileno(self) -> int:
        return -1 if self.driver.closed else int(self.driver.fileno())

    def has_news(self) -> bool:
        while not self.driver.closed and (notification := self.driver.pgconn.notifies()):
            self.news.add(notification.extra.decode())
        return bool(self.news)

    def heard(self) -> set[str]:
        with self.connection.wrap_database_errors:
            self.driver.pgconn.consume_input()
        self.has_news()
        news, self.news = self.news, set()
        return news

    def close(self) -> None:
        self.driver.remove_notify_handler(self._keep)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"UNLISTEN {CHANNEL}")
        except Error:
            pass  # A lost connection hears nothing any more.
