"""How a database goes about a query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db import connection

NOTHING = "MySQL has looked, and there is nothing to read"
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}


def plan(sql: str, params: Sequence[Any] | None = None) -> str:
    """Return how a query would be answered, a step a line; of MySQL's plans, which indexes it would read."""
    # MariaDB is told with each query of a page how long it may take.
    sql = re.sub(r"^SET STATEMENT \S+ FOR ", "", sql)
    with connection.cursor() as cursor:
        cursor.execute(f"{EXPLAIN[connection.vendor]} {sql}", params)
        names = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
    if connection.vendor != "mysql":
        # SQLite has numbers before the step; PostgreSQL has nothing else.
        return "\n".join(str(row[-1]) for row in rows)
    table, key = names.index("table"), names.index("key")
    if rows[0][table] is None:
        return NOTHING
    return "\n".join(f"{row[table]} {row[key]}" for row in rows)


def prefer_indexes(*unwanted: str) -> None:
    """Have PostgreSQL, for this transaction, read no few rows at once and sort none; or the ways named only."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for what in unwanted or ("seqscan", "sort"):
                cursor.execute(f"SET LOCAL enable_{what} = off")
