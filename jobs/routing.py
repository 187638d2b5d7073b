"""Jobs in more than one database: which one this process works on, and which one a queue goes to."""

from __future__ import annotations

from typing import Any

from .conf import conf

APP = "jobs"
USUAL = "default"
"""Alias of the database of all queues that have none of their own."""


class JobsRouter:
    """For `DATABASE_ROUTERS`: this process's jobs are in the database `BACKGROUND_JOB_DATABASE`.

    A database that only holds queues of its own (`BACKGROUND_JOB_QUEUE_DATABASES`) gets the tables
    of jobs and no others.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        if model._meta.app_label != APP:
            return None
        state = getattr(hints.get("instance"), "_state", None)
        return (state and state.db) or conf.DATABASE

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        apart = db != USUAL and db in (conf.QUEUE_DATABASES or {}).values()
        return app_label == APP if apart else None


def alias_of_queue(queue: str) -> str | None:
    """Return the alias of the database that a queue belongs to; None for that of this process.

    A process that works on a database for some queues, or shows it, hands all others on: nobody looks
    for them there.
    """
    apart = conf.QUEUE_DATABASES or {}
    if not queue or queue in apart:
        return apart.get(queue)
    return USUAL if apart and conf.DATABASE in apart.values() else None
