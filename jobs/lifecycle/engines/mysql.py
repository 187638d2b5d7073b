"""MySQL 8 and MariaDB 10.6: SKIP LOCKED in short transactions, rows changed by their ids, polling.

Neither has UPDATE … RETURNING: what is to change is locked and read first. Only what both of them
understand is used, so that one path serves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
from django.db import DatabaseError, transaction

from ...models import Job
from ...origins import Origin
from ...states import WAITING, AttemptStatus, JobStatus
from ..records import Claim, JobSpec, Outcome, Start
from .base import (
    BEST_FIRST,
    CLAIM,
    CLAIMED_COLUMNS,
    COMPLETE,
    LIVE,
    PROMOTE,
    WAITS,
    Engine,
    Listener,
    SilentListener,
    stored_job,
    stored_origin,
)

CONFLICTS = {1020, 1205, 1213}
"""Row changed meanwhile, lock waited for too long, deadlock."""

CLOCK = "SELECT UTC_TIMESTAMP(6), @@auto_increment_increment"
INSERT = """
INSERT INTO jobs_job (job_class, queue, priority, arguments, status, run_at, created_at,
                      max_attempts, origin, parent_id, attempts_spent, attempts_made, interruptions,
                      error_type, error_message)
VALUES {rows}
"""
INSERT_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0, '', '')"

# A worker that is just being declared lost is passed over rather than waited for: the one that
# rescues it goes on to the attempts, which this transaction may hold already.
LIVE_CLOCK = f"{CLOCK} FROM jobs_worker WHERE id = %s AND status IN ({LIVE}) FOR UPDATE SKIP LOCKED"
# By any other index a claim would lock, and sort, all that is due in the queue.
NEAREST = f"""
(SELECT {CLAIMED_COLUMNS} FROM jobs_job FORCE INDEX (jobs_job_claim)
 WHERE status = '{JobStatus.QUEUED}' AND queue = %s
 ORDER BY {BEST_FIRST} LIMIT %s FOR UPDATE SKIP LOCKED)
"""
CLAIM_BATCH = f"""
UPDATE jobs_job
SET status = '{CLAIM.target}', attempts_made = attempts_made + 1, started_at = NULL
WHERE id IN ({{ids}}) AND status = '{JobStatus.QUEUED}'
"""
OPEN_ATTEMPTS = """
INSERT INTO jobs_attempt (job_id, number, status, reason, worker_id, claimed_at, started_at,
                          error_type, error_message, traceback, output_bytes, output_dropped,
                          hook_pending)
VALUES {rows}
"""
OPEN_ROW = f"(%s, %s, '{AttemptStatus.RUNNING}', '', %s, %s, %s, '', '', '', 0, 0, 0)"

FIRST_DUE = """
(SELECT min(run_at) AS due FROM jobs_job FORCE INDEX (jobs_job_due) WHERE status = '{status}')
"""
NEXT_DUE = "SELECT min(due) FROM ({}) AS first".format(
    "UNION ALL".join(FIRST_DUE.format(status=status) for status in sorted(WAITING))
)
OLDEST_DUE = """
(SELECT run_at, id FROM jobs_job FORCE INDEX (jobs_job_due)
 WHERE status = '{status}' AND run_at <= %s ORDER BY run_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""
DUE = "UNION ALL".join(OLDEST_DUE.format(status=status) for status in sorted(WAITING))
PROMOTE_BATCH = f"""
UPDATE jobs_job SET status = '{PROMOTE.target}' WHERE id IN ({{ids}}) AND status IN ({WAITS})
"""
# One jump of an index for each queue: DISTINCT, or a recursion that jumps by itself, reads them all.
NEXT_QUEUE = f"""
SELECT min(queue) FROM jobs_job FORCE INDEX (jobs_job_claim)
WHERE status = '{JobStatus.QUEUED}' AND queue > %s
"""

HELD_ATTEMPTS = f"""
SELECT id FROM jobs_attempt
WHERE id IN ({{ids}}) AND status = '{AttemptStatus.RUNNING}' AND worker_id = %s
ORDER BY id FOR UPDATE
"""
RUNNING = f"""
jobs_attempt AS attempt JOIN ({{given}}) AS given ON given.id = attempt.id
JOIN jobs_job AS job ON job.id = attempt.job_id AND job.status = '{JobStatus.RUNNING}'
"""
RECORD_STARTS = f"""
UPDATE {RUNNING} SET attempt.started_at = given.at, attempt.pid = given.pid, job.started_at = given.at
"""
COMPLETE_BATCH = f"""
UPDATE {RUNNING}
SET attempt.status = '{AttemptStatus.COMPLETED}', attempt.started_at = given.started_at,
    attempt.finished_at = given.finished_at, attempt.pid = coalesce(given.pid, attempt.pid),
    attempt.exit_code = given.exit_code, attempt.cpu_seconds = given.cpu_seconds,
    attempt.peak_rss = given.peak_rss, attempt.output_bytes = given.output_bytes,
    attempt.output_dropped = given.output_dropped,
    job.status = '{COMPLETE.target}', job.started_at = given.started_at,
    job.finished_at = given.finished_at, job.attempts_spent = job.attempts_spent + 1,
    job.result = given.result, job.error_type = '', job.error_message = '', job.error_group = NULL
"""
STARTED = ("id", "at", "pid")
COMPLETED = (
    "id", "started_at", "finished_at", "pid", "exit_code", "cpu_seconds", "peak_rss",
    "output_bytes", "output_dropped", "result",
)  # fmt: skip

ROWS_AT_ONCE, BYTES_AT_ONCE = 1000, 1 << 20
"""Most rows, and most bytes of arguments, of one statement; a server takes 16 MiB by default."""
GIVEN_AT_ONCE = 100
"""Most rows of values an UPDATE joins: their SELECTs are parsed and planned one by one."""


class MySQLEngine(Engine):
    queues_at_once = 100
    """Fewer: it locks the best of each queue until the end of the transaction."""

    on_conflict = "ON DUPLICATE KEY UPDATE"
    new_value = "VALUES({column})"

    def now(self) -> datetime:
        return self._clock()[0]

    def _clock(self) -> tuple[datetime, int]:
        """Return the time, and the step between the ids that one INSERT gives to its rows."""
        moment, step = self.rows(CLOCK, [])[0]
        return moment.replace(tzinfo=UTC), step

    def stored(self, moment: datetime | None) -> str | None:
        """Return a time as Django stores it."""
        if moment is None:
            return None
        return str(moment.astimezone(self.connection.timezone).replace(tzinfo=None))

    def insert(self, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
        arguments = [msgspec.json.encode(spec.arguments).decode() for spec in specs]
        cuts = [0, *_cuts(arguments), len(specs)]
        clock = self._clock()
        jobs: list[Job] = []
        # One statement is a transaction already.
        with transaction.atomic(self.alias, savepoint=False) if len(cuts) > 2 else nullcontext():
            for start, end in pairwise(cuts):
                some = zip(specs[start:end], arguments[start:end], strict=True)
                jobs += self._insert_some([*some], origin, *clock)
        return jobs

    def _insert_some(
        self, some: Sequence[tuple[JobSpec, str]], origin: Origin, now: datetime, step: int
    ) -> Iterator[Job]:
        dues = [spec.run_at or now + timedelta(seconds=spec.delay or 0) for spec, _ in some]
        states = [JobStatus.QUEUED if due <= now else JobStatus.SCHEDULED for due in dues]
        params: list[Any] = []
        told = stored_origin(origin)
        for (spec, text), due, status in zip(some, dues, states, strict=True):
            params += [spec.job_class, spec.queue, spec.priority, text]
            params += [status.value, self.stored(due), self.stored(now), spec.max_attempts, *told]
        ids = self._insert_rows(INSERT, INSERT_ROW, len(some), params, step)
        for (spec, _), pk, status, due in zip(some, ids, states, dues, strict=True):
            yield stored_job(self.alias, spec, origin, pk, status, due, now)

    def _insert_rows(
        self, sql: str, row: str, count: int, params: Sequence[Any], step: int
    ) -> range:
        """Insert rows and return their ids.

        InnoDB gives consecutive ids to an INSERT that lists its rows, in every mode of
        `innodb_autoinc_lock_mode`, and the driver tells the first.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(sql.format(rows=", ".join([row] * count)), params)
            first = int(cursor.lastrowid)
        return range(first, first + count * step, step)

    def claim(
        self, worker: UUID, queues: Sequence[str], free: int, ahead: int, quick: Sequence[str]
    ) -> list[Claim]:
        limit = free + (ahead if quick else 0)
        clock = self.rows(LIVE_CLOCK, [worker.hex])
        if not clock or not queues or not limit:
            return []
        best = _best(self._nearest(queues, limit), free, set(quick), limit)
        return self._open(worker, best, *clock[0]) if best else []

    def _nearest(self, queues: Sequence[str], limit: int) -> list[Claim]:
        """Lock the best due jobs of each queue, and return them as claims still without attempts."""
        params = [value for name in queues for value in (name, limit)]
        found = self.rows("UNION ALL".join([NEAREST] * len(queues)), params)
        zone = self.connection.timezone
        return [
            Claim(0, pk, made + 1, job_class, queue, priority, run_at.replace(tzinfo=zone), *rest)
            for pk, made, job_class, queue, priority, run_at, *rest in found
        ]

    def _open(self, worker: UUID, claims: Sequence[Claim], now: datetime, step: int) -> list[Claim]:
        """Move locked jobs to running, with an attempt for each."""
        self._change(CLAIM_BATCH, [one.job_id for one in claims])
        at = self.stored(now.replace(tzinfo=UTC))
        params: list[Any] = []
        for one in claims:
            started = at if one.interruptions else None
            params += [one.job_id, one.number, worker.hex, at, started]
        ids = self._insert_rows(OPEN_ATTEMPTS, OPEN_ROW, len(claims), params, step)
        return [one._replace(attempt_id=pk) for one, pk in zip(claims, ids, strict=True)]

    def promote(self, limit: int) -> int:
        with transaction.atomic(self.alias, savepoint=False):
            due = self.rows(DUE, [self.stored(self.now()), limit] * len(WAITING))
            return self._change(PROMOTE_BATCH, [pk for _, pk in sorted(due)[:limit]])

    def next_due(self) -> datetime | None:
        first: datetime | None = self.rows(NEXT_DUE, [])[0][0]
        return first.replace(tzinfo=self.connection.timezone) if first else None

    def due_queues(self) -> list[str]:
        names = [""]
        while (following := self.rows(NEXT_QUEUE, [names[-1]])[0][0]) is not None:
            names.append(following)
        return names[1:]

    def complete(self, worker: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        held = self._held(worker, [one.attempt_id for one in outcomes])
        rows = [
            (one.attempt_id, self.stored(one.started_at), self.stored(one.finished_at),
             one.pid, one.exit_code, one.cpu_seconds, one.peak_rss,
             one.output_bytes, one.output_dropped, one.result)
            for one in outcomes if one.attempt_id in held
        ]  # fmt: skip
        self._change_each(COMPLETE_BATCH, COMPLETED, rows)
        return held

    def record_starts(self, worker: UUID, starts: Sequence[Start]) -> set[int]:
        held = self._held(worker, [one.attempt_id for one in starts])
        begun = [one for one in starts if one.attempt_id in held]
        rows = [(one.attempt_id, self.stored(one.at), one.pid) for one in begun]
        self._change_each(RECORD_STARTS, STARTED, rows)
        return held

    def _held(self, worker: UUID, attempt_ids: Sequence[int]) -> set[int]:
        """Lock those attempts that still run and are the worker's, and return their ids."""
        sql = HELD_ATTEMPTS.format(ids=", ".join(["%s"] * len(attempt_ids)))
        return {pk for (pk,) in self.rows(sql, [*attempt_ids, worker.hex])}

    def _change(self, sql: str, ids: Sequence[int]) -> int:
        """Run an UPDATE of rows that are locked, and return how many it changed."""
        if not ids:
            return 0
        with self.connection.cursor() as cursor:
            cursor.execute(sql.format(ids=", ".join(["%s"] * len(ids))), sorted(ids))
            return int(cursor.rowcount)

    def _change_each(
        self, sql: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Run an UPDATE that gives each row values of its own, some rows at a time."""
        head = "SELECT " + ", ".join(f"%s AS {name}" for name in columns)
        more = " UNION ALL SELECT " + ", ".join(["%s"] * len(columns))
        with self.connection.cursor() as cursor:
            for start in range(0, len(rows), GIVEN_AT_ONCE):
                some = rows[start : start + GIVEN_AT_ONCE]
                given = head + more * (len(some) - 1)
                cursor.execute(sql.format(given=given), [value for row in some for value in row])

    def notify(self, payloads: Iterable[str]) -> None:
        """Do nothing: workers poll."""

    def listen(self, name: str) -> Listener:
        return SilentListener()

    def lost_against_another(self, error: DatabaseError) -> bool:
        return bool(error.args) and error.args[0] in CONFLICTS


def _cuts(arguments: Sequence[str]) -> Iterator[int]:
    """Yield where to cut rows with these arguments, so that no statement gets too large."""
    rows = size = 0
    for place, text in enumerate(arguments):
        if rows and (rows == ROWS_AT_ONCE or size + len(text) > BYTES_AT_ONCE):
            yield place
            rows = size = 0
        rows, size = rows + 1, size + len(text)


def _best(nearest: Iterable[Claim], free: int, quick: set[str], limit: int) -> list[Claim]:
    """Return up to `limit` claims, best first; after the first `free` only of `quick` classes."""
    ranked = sorted(nearest, key=lambda one: (-one.priority, one.run_at, one.job_id))
    fitting = [one for place, one in enumerate(ranked) if place < free or one.job_class in quick]
    return fitting[:limit]
