"""What differs between databases: storing, claiming and finishing in bulk, and waking workers."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from ...models import Job
from ...routing import alias_of_queue
from .base import Engine, Listener

__all__ = ["Engine", "Listener", "alias_for", "engine_for"]


def alias_for(using: str | None = None, queue: str = "") -> str:
    """Return the alias of the database that holds the jobs: `using`, or that of their queue where
    it has one of its own, or what the routers say."""
    return using or alias_of_queue(queue) or router.db_for_write(Job)


def engine_for(using: str | None = None) -> Engine:
    """Return the engine of the jobs' database on this thread's connection.

    Raises ImproperlyConfigured for a database without one.
    """
    connection = connections[alias_for(using)]
    if connection.vendor == "sqlite":
        from .sqlite import SQLiteEngine

        return SQLiteEngine(connection)
    if connection.vendor == "postgresql":
        from .postgresql import PostgreSQLEngine

        return PostgreSQLEngine(connection)
    if connection.vendor == "mysql":
        from .mysql import MySQLEngine

        return MySQLEngine(connection)
    raise ImproperlyConfigured(
        f"jobs cannot be kept in the database {connection.alias!r}: {connection.vendor} is not "
        "supported; use sqlite, postgresql or mysql"
    )
