"""Jobs in more than one database: which one this process works on, and which one a queue goes to."""

from __future__ import annotations

from typing import Any

from .conf import conf

APP = "jobs"


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
        apart = db != "default" and db in (conf.QUEUE_DATABASES or {}).values()
        return app_label == APP if apart else None


def alias_of_queue(queue: str) -> str | None:
    """Return the alias of the database that a queue has for itself; None for the usual one."""
    return (conf.QUEUE_DATABASES or {}).get(queue)
