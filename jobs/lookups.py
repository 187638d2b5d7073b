"""Comparisons that say to a database which index it is to read."""

from __future__ import annotations

from typing import Any

from django.db.models.lookups import Exact


class Leads(Exact):
    """`column = value`, for rows in the order of an index that begins with that column.

    PostgreSQL leaves a column that equals a constant out of the order it looks for. The rows of one
    class by id then seem to come from the primary key as well, which it takes for cheaper where many
    jobs are of that class; if all of those are old, it reads the whole table before it finds one.
    Compared as one of a list the column stays in the order, and no other index has that order.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, column_params = self.process_lhs(compiler, connection)
        value, value_params = self.process_rhs(compiler, connection)
        return f"{column} = ANY(ARRAY[{value}])", (*column_params, *value_params)
