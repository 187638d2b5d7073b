"""How the processes of a worker use databases: plainly, and never waiting for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import conf

LEDGER_OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    },
    "mysql": {"connect_timeout": 10, "read_timeout": 20, "write_timeout": 20},
}
"""Seconds, `tcp_user_timeout` milliseconds: a cut cable is noticed well within a lease."""
POSTGRESQL_LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "250ms",
    "idle_in_transaction_session_timeout": "15s",
}
"""The last one because a worker that freezes, or is cut off, in a transaction of its own must not hold
what it has locked for longer than its lease."""
IDLE = 0
"""What libpq says of a session in which no transaction has begun."""
_LOCKS = "SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 2"
MARIADB_LIMITS = (
    f"SET SESSION max_statement_time = 15, SESSION idle_transaction_timeout = 15, {_LOCKS}"
)
MYSQL_LIMITS = f"SET SESSION max_execution_time = 15000, {_LOCKS}"
"""Sooner than the driver gives the connection up; MySQL limits only SELECT. A lock takes a second at
least to give up. The second kind is that of a table's definition: a migration may wait for a row that is
ours while we wait for it, and the server does not see that nobody would ever go on."""
LONGEST_WAIT = 5.0
LEAST_WAITS = 4
"""In one lease: a beat comes a third of it after the one before, and a launcher's fuse is three quarters."""


def longest_wait() -> float:
    """Return the seconds the ledger is silent at most, waiting for SQLite's lock or for its next try.

    While the database is only locked the worker lives on, if it can say so before its fuse has burnt.
    """
    return min(LONGEST_WAIT, conf.LEASE / LEAST_WAITS)


def without_pools() -> None:
    """Have this process open plain connections: a pool's threads would not survive a fork."""
    for settings in connections.settings.values():
        settings.get("OPTIONS", {}).pop("pool", None)


_of_parent: list[Any] = []


def leave_to_parent() -> None:
    """Have this process, just forked, open connections of its own.

    What its parent has open is kept and never used: closing it here would end the parent's session.
    """
    for one in connections.all(initialized_only=True):
        if one.connection is not None:
            _of_parent.append(one.connection)
            one.connection = None


def patient_connection(alias: str) -> None:
    """Make the connection of this process to a database a plain one that never waits for ever."""
    without_pools()
    be_patient(connections[alias])


def be_patient(connection: BaseDatabaseWrapper) -> None:
    """Set the time limits of a connection that is about to be opened, where none are set."""
    options = connection.settings_dict.setdefault("OPTIONS", {})
    for name, value in LEDGER_OPTIONS.get(connection.vendor, {}).items():
        options.setdefault(name, value)


def limit_statements(alias: str) -> None:
    """Have the server end a statement of this connection that takes too long.

    Behind PgBouncer only those of transactions: the next user of the server's session would inherit
    what holds for longer.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql" and conf.LISTEN:
        with connection.cursor() as cursor:
            for name, value in POSTGRESQL_LIMITS.items():
                cursor.execute("SELECT set_config(%s, %s, false)", [name, value])
    elif connection.vendor == "postgresql":
        if limit_transaction not in connection.execute_wrappers:
            connection.execute_wrappers.append(limit_transaction)
    elif connection.vendor == "mysql":
        is_mariadb: bool = connection.mysql_is_mariadb  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute(MARIADB_LIMITS if is_mariadb else MYSQL_LIMITS)
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {int(1000 * longest_wait())}")


def limit_transaction(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Begin a transaction with limits that end with it: a wrapper for a connection's statements."""
    connection = context["connection"]
    if connection.in_atomic_block and connection.connection.info.transaction_status == IDLE:
        limits = (f"SET LOCAL {name} = '{value}'" for name, value in POSTGRESQL_LIMITS.items())
        execute("; ".join(limits), None, False, context)
    return execute(sql, params, many, context)
