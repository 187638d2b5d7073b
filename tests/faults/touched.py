"""How much a database reads for one connection, by its own count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

STEPS = 100
"""Steps of SQLite's machine after which it calls back. It counts no rows; each takes ten or more."""
UNIT = {"sqlite": "steps of its machine"}
READ = {
    # Of a table what was read in its own order, of an index the entries that were found there.
    "postgresql": "SELECT COALESCE(SUM(pg_stat_get_xact_tuples_returned(oid)), 0) FROM pg_class "
    "WHERE relkind IN ('r', 'i') AND relnamespace = current_schema()::regnamespace",
    "mysql": "SELECT SUM(variable_value) FROM information_schema.session_status "
    "WHERE variable_name LIKE 'Handler_read%'",
}


class Touched:
    count = 0

    def steps(self) -> int:
        self.count += STEPS
        return 0


@contextmanager
def touched() -> Iterator[Touched]:
    """Count the rows, and entries of indexes, that are read within, in a transaction that is open already."""
    found = Touched()
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.set_progress_handler(found.steps, STEPS)
        yield found
        connection.connection.set_progress_handler(None, 0)
        return
    first, before = read_so_far(), read_so_far()
    yield found
    # What the question itself reads is in the answer to the next one.
    found.count = read_so_far() - before - (before - first)


def unit() -> str:
    return UNIT.get(connection.vendor, "rows")


def read_so_far() -> int:
    with connection.cursor() as cursor:
        cursor.execute(READ[connection.vendor])
        return int(cursor.fetchone()[0])
