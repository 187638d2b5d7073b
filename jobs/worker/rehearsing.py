"""Doing, before children are forked, what each of them will do.

A child copies every page of memory it writes to, and Python writes where it runs: it specializes
code, fills caches of types and counts references. What a rehearsal has written, children share.
"""

from __future__ import annotations

import socket
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..job import BackgroundJob
from ..models import Queue
from .log import warn
from .protocol import Run
from .reporting import ReportingChannel
from .runner import Runner

TIMES = 20
"""Python specializes a function when it has been called eight times, and its instructions a little later."""
ASKED = 3
"""Times a database is opened and asked; more would save children next to nothing."""
ALIAS = "jobs-rehearsal"
ENOUGH = 1 << 16
"""Bytes, more than a child reports of one attempt of this kind."""


class Nothing(BackgroundJob):
    """Is no job that anybody could dispatch: nobody knows its name."""

    abstract = True

    number: int

    def handle(self) -> None:
        pass


def rehearse(runner: Runner) -> None:
    """Have `runner` run nothing, and ask a database a question where that takes none of the project's."""
    try:
        for one in connections.all():
            if one.vendor == "sqlite":
                _ask(one)
                break
        _run_nothing(runner)
    except Exception as error:  # Children are slower then, and nothing else.
        warn("rehearsal_failed", error=error)


def _run_nothing(runner: Runner) -> None:
    # On the very object that children use: specialized code is for objects of one type and shape.
    made, runner.make = runner.make, _nothing
    ours, theirs = socket.socketpair()
    try:
        with ours, theirs:
            runner.channel = ReportingChannel(theirs)
            for _ in range(TIMES):
                runner.run(Run(0, 0, 1, Nothing.job_name, '{"number": 1}', "", fresh=True), ())
                ours.recv(ENOUGH)
    finally:
        runner.make, runner.order, runner.job = made, None, None


def _nothing(job_class: str, arguments: str) -> BackgroundJob:
    return Nothing.from_stored(arguments)


def _ask(like: BaseDatabaseWrapper) -> None:
    """Ask an empty database in memory; opening one is half of what a job's first query costs."""
    for _ in range(ASKED):
        settings = {**like.settings_dict, "NAME": ":memory:", "OPTIONS": {}}
        connection: Any = type(like)(settings, ALIAS)
        # Not connect(): a receiver of its signal would take this for a database of the project.
        opened = connection.get_new_connection(connection.get_connection_params())
        connection.connection, connections[ALIAS] = opened, connection
        try:
            opened.execute(f"CREATE TABLE {Queue._meta.db_table} ({_columns()})")
            Queue.objects.using(ALIAS).filter(name="").exists()
        finally:
            opened.close()  # Django's own close() leaves open what is in memory.
            del connections[ALIAS]


def _columns() -> str:
    return ", ".join(f'"{field.column}"' for field in Queue._meta.concrete_fields)
