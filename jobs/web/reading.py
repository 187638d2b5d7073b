"""Reads many values in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import DateTimeField, QuerySet, Value


def read_each(asked: list[tuple[str, QuerySet[Any, Any]]]) -> list[Any]:
    """Return one value of each queryset, named by an expression, in one statement."""
    alias = asked[0][1].db
    parts, values = [], []
    for place, (expression, rows) in enumerate(asked):
        # Only SQL that the ORM built is joined here; values stay parameters.
        sql, params = rows.query.get_compiler(alias).as_sql()
        parts.append(f"(SELECT {expression} FROM ({sql}) c{place})")  # noqa: S608
        values += params
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(parts), values)
        return list(cursor.fetchone())


def time_read(value: Any, connection: Any) -> datetime | None:
    """Return a time from a statement of our own, as the ORM would."""
    kind = Value(None, DateTimeField())
    for reader in connection.ops.get_db_converters(kind):
        value = reader(value, kind, connection)
    found: datetime | None = value
    return found
