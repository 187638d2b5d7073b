"""The sums of the fixture's history, as workers would have kept them: by period, and of all time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from . import history
from .dialects import Dialect, pick

KEPT = ((600, timedelta(hours=2)), (3600, timedelta(hours=26)), (86_400, timedelta(days=14)))
"""Seconds of a period, and the age from which it is the finest."""
KEPT_ERRORS = ((3600, timedelta(hours=2)),)
ERRORS_KEPT = timedelta(days=8)

COMPLETED = f"dice < 94 AND number = {history.MADE}"
FAILED = "dice BETWEEN 94 AND 97 AND number = 3"
RETRIED = f"({history.FAILS}) AND NOT ({FAILED})"
RAN = "dice < 99"
"""Whether a job had an attempt at all."""
CALIBRE = 17
"""Buckets that hold anything: no attempt waited or ran for longer than 2¹⁶ ms."""


@dataclass(frozen=True)
class Sums:
    """Adds up batches of the history. `finished` is the time in seconds since 1970 at which an
    attempt ended, as an expression of `n`, `dice` and `number`."""

    using: str
    dialect: Dialect
    finished: str
    first_id: int
    now: datetime

    @classmethod
    def of(cls, using: str, dialect: Dialect, finished: str, first_id: int) -> Sums:
        return cls(using, dialect, finished, first_id, timezone.now())

    def write(self, first: int, last: int) -> None:
        """Add the jobs from the `first` place to the `last` to what is stored."""
        from jobs.lifecycle import rollups
        from jobs.lifecycle.engines import engine_for
        from jobs.models.rollups import ERRORS, SUMS

        engine = engine_for(self.using)
        sums = self._rows(self._select_sums(first, last))
        errors = (self._as_error(row) for row in self._rows(self._select_errors(first, last)))
        recent = self.now - ERRORS_KEPT
        kept = (row for row in errors if row["resolution"] == 0 or row["period"] >= recent)
        for shape, rows in ((SUMS, sums), (ERRORS, kept)):
            by_key = {tuple(row[name] for name in shape.key): row for row in rows}
            rollups.add_up(engine, shape, by_key)

    def _rows(self, sql: str) -> Iterator[dict[str, Any]]:
        """Yield what a query found, as rows of a table of sums."""
        from jobs.lifecycle.engines import engine_for
        from jobs.lifecycle.rollups import FIRST_PERIOD

        with engine_for(self.using).connection.cursor() as cursor:
            cursor.execute(sql)
            columns = [column[0] for column in cursor.description]
            for values in cursor.fetchall():
                row = dict(zip(columns, values, strict=True))
                row["shard"], resolution = 0, int(row["resolution"])
                period = datetime.fromtimestamp(int(row["period"]), UTC)
                ever = resolution == 0
                yield row | {"period": FIRST_PERIOD if ever else period, "resolution": resolution}

    def _select_sums(self, first: int, last: int) -> str:
        sums = {
            "completed": _count(COMPLETED),
            "failed": _count(FAILED),
            "retried": _count(RETRIED),
            "cancelled": _count("dice >= 98"),
            "released": "0",
            "cpu_seconds": f"sum(CASE WHEN {RAN} THEN {history.CPU} ELSE 0 END)",
            "peak_rss": f"max(CASE WHEN {RAN} THEN {history.PEAK} ELSE 0 END)",
        }
        for name, ms in (("waited", history.WAITED_MS), ("ran", history.TOOK_MS)):
            sums[f"{name}_seconds"] = f"sum(CASE WHEN {RAN} THEN {ms} ELSE 0 END) / 1000.0"
            sums[f"{name}_max"] = f"max(CASE WHEN {RAN} THEN {ms} ELSE 0 END) / 1000.0"
            for bucket in range(CALIBRE):
                lower, upper = (2 ** (bucket - 1) if bucket else 0), 2**bucket
                sums[f"{name}_{bucket}"] = _count(f"{RAN} AND {ms} >= {lower} AND {ms} < {upper}")
        keys = {
            "job_class": pick(history.CLASSES, history.CLASS_PLACE),
            "queue": pick(history.QUEUES, history.QUEUE_PLACE),
        }
        return self._select(keys, sums, first, last, KEPT, "1 = 1")

    def _select_errors(self, first: int, last: int) -> str:
        sums = {
            "failures": "count(*)",
            "first_at": "min(at)",
            "last_at": "max(at)",
            "last_job": f"max({self.first_id} + n)",
        }
        keys = {
            "job_class": pick(history.CLASSES, history.CLASS_PLACE),
            "kind": history.ERROR_PLACE,
        }
        return self._select(keys, sums, first, last, KEPT_ERRORS, history.FAILS)

    def _select(
        self,
        keys: dict[str, str],
        sums: dict[str, str],
        first: int,
        last: int,
        kept: tuple[tuple[int, timedelta], ...],
        where: str,
    ) -> str:
        """Return the query of the sums of each period and, with resolution 0, of all time."""
        cases = " ".join(
            f"WHEN at < {(self.now - age).timestamp():.0f} THEN {seconds}"
            for seconds, age in reversed(kept)
        )
        columns = ", ".join(f"{sql} AS {name}" for name, sql in (keys | sums).items())
        grouped = ", ".join(map(str, range(1, 3 + len(keys))))
        attempts = (
            f"SELECT n, dice, number, {self.finished} AS at FROM {history.thrown(self.dialect, first, last)}"
            f" CROSS JOIN {history.NUMBERS} WHERE number <= {history.TRIES}"
        )
        return (
            f"SELECT resolution, {self.dialect.multiple('at', 'resolution')} AS period, {columns}"
            f" FROM (SELECT n, dice, number, at, CASE WHEN ever = 1 THEN 0 {cases} ELSE 60 END"
            f" AS resolution FROM ({attempts}) AS attempts"
            f" CROSS JOIN (SELECT 0 AS ever UNION ALL SELECT 1) AS both_kinds WHERE {where}) AS aged"
            f" GROUP BY {grouped}"
        )

    def _as_error(self, row: dict[str, Any]) -> dict[str, Any]:
        from jobs.fingerprints import likeness

        error_type, message = history.ERRORS[int(row.pop("kind"))]
        like = likeness(row["job_class"], error_type, message.format(n=1))
        for name in ("first_at", "last_at"):
            row[name] = datetime.fromtimestamp(float(row[name]), UTC)
        return row | like._asdict() | {"fingerprint": like.fingerprint}


def _count(condition: str) -> str:
    return f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)"
