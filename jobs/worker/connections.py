"""How the processes of a worker use databases: plainly, and never waiting for ever."""

from __future__ import annotations

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
STATEMENT_TIMEOUT, LOCK_TIMEOUT, IDLE_TIMEOUT = "30s", "250ms", "15s"
"""The last one of an open transaction: a worker that freezes, or is cut off, in one of its own must not
hold what it has locked for longer than its lease."""
MARIADB_LIMITS = (
    "SET SESSION max_statement_time = 15, SESSION innodb_lock_wait_timeout = 1, "
    "SESSION idle_transaction_timeout = 15"
)
MYSQL_LIMITS = "SET SESSION max_execution_time = 15000, SESSION innodb_lock_wait_timeout = 1"
"""Sooner than the driver gives the connection up; MySQL limits only SELECT. A lock takes a second
at least to give up."""
BUSY_TIMEOUT = 5000
"""Milliseconds the ledger waits for SQLite's lock before it says that it is late."""


def without_pools() -> None:
    """Have this process open plain connections: a pool's threads would not survive a fork."""
    for settings in connections.settings.values():
        settings.get("OPTIONS", {}).pop("pool", None)


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

    Not behind PgBouncer, where the next user of the server's session would inherit it.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql" and conf.LISTEN:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [STATEMENT_TIMEOUT])
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
            idle = "idle_in_transaction_session_timeout"
            cursor.execute(f"SELECT set_config('{idle}', %s, false)", [IDLE_TIMEOUT])
    elif connection.vendor == "mysql":
        is_mariadb: bool = connection.mysql_is_mariadb  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute(MARIADB_LIMITS if is_mariadb else MYSQL_LIMITS)
    elif connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
