"""What the databases say in different words, for statements that compute rows by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class Dialect(Protocol):
    """Each method takes SQL expressions, and returns one."""

    prepare: str
    """What a connection has to be told before it understands them; empty for nothing."""
    analyze: str
    """The statement, short of the name of a table, that counts what is in it; empty for none."""

    def series(self, first: int, last: int) -> str:
        """Return the query of all whole numbers from the first to the last, as `n`."""

    def multiple(self, number: str, of: str) -> str:
        """Return the largest multiple, up to a positive number, of another; 0 of 0."""

    def time(self, epoch: str) -> str:
        """Return the time so many seconds after 1970, as Django stores it."""

    def json(self, text: str) -> str: ...

    def uuid(self, ids: Sequence[UUID], number: str) -> str:
        """Return one of some UUIDs, chosen by a number."""


class PostgreSQL:
    prepare = ""
    analyze = "ANALYZE"

    def series(self, first: int, last: int) -> str:
        return f"SELECT n FROM generate_series({first}::bigint, {last}) AS n"

    def multiple(self, number: str, of: str) -> str:
        return f"(CASE WHEN {of} = 0 THEN 0 ELSE floor({number} / {of}) * {of} END)"

    def time(self, epoch: str) -> str:
        return f"to_timestamp({epoch})"

    def json(self, text: str) -> str:
        return f"({text})::jsonb"

    def uuid(self, ids: Sequence[UUID], number: str) -> str:
        return f"{pick([str(one) for one in ids], number)}::uuid"


class SQLite:
    prepare = ""
    analyze = "ANALYZE"

    def series(self, first: int, last: int) -> str:
        return (
            f"WITH RECURSIVE series(n) AS (SELECT {first} UNION ALL"
            f" SELECT n + 1 FROM series WHERE n < {last}) SELECT n FROM series"
        )

    def multiple(self, number: str, of: str) -> str:
        return f"(CASE WHEN {of} = 0 THEN 0 ELSE CAST({number} / {of} AS INTEGER) * {of} END)"

    def time(self, epoch: str) -> str:
        return f"strftime('%Y-%m-%d %H:%M:%f', {epoch}, 'unixepoch') || '000'"

    def json(self, text: str) -> str:
        return text

    def uuid(self, ids: Sequence[UUID], number: str) -> str:
        return pick([one.hex for one in ids], number)


class MySQL:
    prepare = "SET SESSION sql_mode = concat(@@sql_mode, ',PIPES_AS_CONCAT')"
    analyze = ""  # It would end the transaction; InnoDB counts by itself as a table grows.

    def series(self, first: int, last: int) -> str:
        # Neither a recursion, cut after 1,000 rows, nor MariaDB's sequences are on both.
        digit = "(SELECT 0 AS d" + "".join(f" UNION ALL SELECT {d}" for d in range(1, 10)) + ")"
        places = range(len(str(last - first)))
        offset = " + ".join(f"p{place}.d * {10**place}" for place in places)
        tables = " CROSS JOIN ".join(f"{digit} AS p{place}" for place in places)
        return f"SELECT {first} + {offset} AS n FROM {tables} WHERE {offset} <= {last - first}"

    def multiple(self, number: str, of: str) -> str:
        return f"(CASE WHEN {of} = 0 THEN 0 ELSE floor({number} / {of}) * {of} END)"

    def time(self, epoch: str) -> str:
        start = "TIMESTAMP'1970-01-01 00:00:00'"
        return f"{start} + INTERVAL CAST(({epoch}) * 1000000 AS SIGNED) MICROSECOND"

    def json(self, text: str) -> str:
        return text

    def uuid(self, ids: Sequence[UUID], number: str) -> str:
        return pick([one.hex for one in ids], number)


def pick(texts: Sequence[str], number: str) -> str:
    """Return the expression for one of these texts, chosen by a number."""
    cases = " ".join(f"WHEN {at} THEN '{text}'" for at, text in enumerate(texts))
    return f"(CASE {number} % {len(texts)} {cases} END)"


DIALECTS: dict[str, Dialect] = {
    "postgresql": PostgreSQL(),
    "sqlite": SQLite(),
    "mysql": MySQL(),
}
