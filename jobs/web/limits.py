"""How long a page may keep the database busy: what it asks is broken off then, and the page says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, OperationalError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..models import Job

LEAST = 0.001
"""Seconds that a statement gets on MySQL and MariaDB; zero would be no limit."""


class TooLong(Exception):
    """A request has asked the database for longer than it may."""


class Limit:
    """The time one request has for its statements.

    PostgreSQL and SQLite are told to stop by a thread, so that nothing has to be set before, and taken
    back after, on a connection that is not ours alone. MySQL and MariaDB take a limit with each statement.
    """

    def __init__(self, connection: BaseDatabaseWrapper, seconds: float) -> None:
        self.connection, self.seconds = connection, seconds
        self.deadline = time.monotonic() + seconds
        self._open = True
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline

    @property
    def left(self) -> float:
        return max(self.deadline - time.monotonic(), LEAST)

    def run(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Execute a statement, as `connection.execute_wrapper` wants it."""
        if self.is_over:
            raise OperationalError("the time for this page is over")
        return execute(self._with_limit(sql), params, many, context)

    def _with_limit(self, sql: str) -> str:
        if self.connection.vendor != "mysql" or not sql.lstrip("(").startswith("SELECT"):
            return sql
        if getattr(self.connection, "mysql_is_mariadb", False):
            return f"SET STATEMENT max_statement_time={self.left:.3f} FOR {sql}"
        hint = f"SELECT /*+ MAX_EXECUTION_TIME({round(self.left * 1000)}) */"
        return sql.replace("SELECT", hint, 1) if sql.startswith("SELECT") else sql

    def stop(self) -> None:
        """Have the database break off what it is doing for the request, unless that has ended."""
        with self._lock:
            driver = self.connection.connection if self._open else None
            if driver is None:
                return
            try:
                if self.connection.vendor == "postgresql":
                    driver.cancel()
                elif self.connection.vendor == "sqlite":
                    driver.interrupt()
            except Exception:  # noqa: S110 (it is gone, and so is what it was doing)
                pass

    def close(self) -> None:
        with self._lock:
            self._open = False


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Bound the time of all statements on the database of jobs; 0 is no bound.

    Raises TooLong in place of the error of a database that was stopped.
    """
    if not seconds:
        yield
        return
    connection = connections[router.db_for_read(Job)]
    limit = Limit(connection, seconds)
    timer = threading.Timer(seconds, limit.stop)
    timer.daemon = True
    timer.start()
    try:
        with connection.execute_wrapper(limit.run):
            yield
    except Error as error:
        if limit.is_over:
            raise TooLong(f"asked the database for longer than {seconds:g} s") from error
        raise
    finally:
        limit.close()
        timer.cancel()
