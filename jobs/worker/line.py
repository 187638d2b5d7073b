"""The ledger's line to the database: opened when needed, given up when it fails, tried again."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress
from typing import Any

from django.db import connections

from ..lifecycle.engines import Engine, Listener, alias_for, engine_for
from ..lifecycle.schema import NotMigrated, require_tables
from .bell import Bell
from .connections import limit_statements, longest_wait, patient_connection
from .log import event, warn

FIRST_PAUSE = 0.05
"""Seconds between the first tries to reach a database that does not answer."""


class DatabaseLine:
    """One connection, with its listener. Times are `time.monotonic()` seconds."""

    def __init__(self, name: str, bell: Bell) -> None:
        self.name = name
        self.bell = bell
        self.engine: Engine | None = None
        self.listener: Listener | None = None
        self.heard_on = -1
        """Descriptor of the listener, while the bell minds it."""
        self.session: Any = None
        """What the driver calls a connection, from the moment there is one."""
        self.failures = 0
        self.trouble = ""
        """What was said of the last failure, while it lasts."""
        self.retry_at = 0.0

    def open(self) -> Engine:
        """Return the engine of the open connection; opens it first if need be."""
        if self.engine is None:
            patient_connection(alias_for())
            engine = engine_for()
            engine.connection.ensure_connection()
            self.session = engine.connection.connection
            require_tables(engine.connection)
            limit_statements(engine.alias)
            self.listener = engine.listen(self.name)
            self.heard_on = self.listener.fileno()
            if self.heard_on >= 0:
                self.bell.listen(self.heard_on)
            self.engine = engine
        return self.engine

    def has_news(self) -> bool:
        """Whether news came while the connection was used for something else."""
        return self.listener is not None and self.listener.has_news()

    def heard(self) -> set[str]:
        return self.listener.heard() if self.listener else set()

    @property
    def hears(self) -> bool:
        """Whether the database tells of news, so that polling is only for what got lost."""
        return self.heard_on >= 0 or self.look_every > 0

    @property
    def look_every(self) -> float:
        """Seconds after which to look although nothing was heard; 0 if only polling tells more."""
        return self.listener.interval if self.listener else 0.0

    @property
    def look_again(self) -> float:
        """Seconds after something was heard when to look once more; 0 if all is told."""
        return self.listener.look_again if self.listener else 0.0

    def close(self) -> None:
        if self.listener:
            if self.heard_on >= 0:
                self.bell.ignore(self.heard_on)
            self.listener.close()
        connections.close_all()
        self.engine = self.listener = self.session = None
        self.heard_on = -1

    def cut(self) -> None:
        """Have the statement fail that waits for an answer. Called by another thread.

        Where a network only swallows what is sent, or something before the server keeps the connection
        alive, no time limit of the server's or the system's ends the wait.
        """
        session, self.session = self.session, None
        with suppress(Exception):  # SQLite's has no socket, and any may be closed meanwhile.
            with socket.socket(fileno=os.dup(session.fileno())) as one:
                one.shutdown(socket.SHUT_RDWR)
            warn("connection_cut", reason="the database has not answered for long")

    def failed(self, error: Exception, now: float) -> None:
        """Back off from a database that does not answer, or lacks tables; say so once."""
        lacks = isinstance(error, NotMigrated)
        trouble = "database_not_migrated" if lacks else "database_unreachable"
        if trouble != self.trouble:
            warn(trouble, error=error)
        self.trouble = trouble
        self.failures += 1
        with suppress(Exception):
            self.close()
        pause = min(FIRST_PAUSE * 2**self.failures, longest_wait())
        self.retry_at = now + pause * random.uniform(0.8, 1.2)

    def worked(self) -> None:
        """Note that the database answers; say so if it had not before."""
        if self.failures:
            event("database_back", tries=self.failures)
            self.failures, self.trouble = 0, ""
