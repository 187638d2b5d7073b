"""PostgreSQL: one statement per batch, SKIP LOCKED, LISTEN/NOTIFY."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import DatabaseError

from ...conf import conf
from ...models import Job
from ...origins import Origin
from ...states import AttemptStatus, JobStatus
from ..records import Claim, JobSpec, Outcome, Start
from .base import (
    BEST_FIRST,
    CHANNEL,
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
from .notifications import Crier, NotifyListener

INSERT = f"""
INSERT INTO jobs_job (job_class, queue, priority, arguments, status, run_at, created_at,
                      max_attempts, origin, parent_id, attempts_spent, attempts_made, interruptions,
                      error_type, error_message)
SELECT job_class, queue, priority, arguments,
       CASE WHEN due <= statement_timestamp()
            THEN '{JobStatus.QUEUED}' ELSE '{JobStatus.SCHEDULED}' END,
       due, statement_timestamp(), max_attempts, %s::jsonb, %s::bigint, 0, 0, 0, '', ''
FROM (SELECT *, coalesce(run_at, statement_timestamp() + delay * interval '1 microsecond') AS due
      FROM ({{given}}) AS given) AS spec
ORDER BY place
RETURNING id, (extract(epoch FROM created_at) * 1000000)::bigint,
          status = '{JobStatus.QUEUED}',
          CASE WHEN %s AND status = '{JobStatus.QUEUED}' THEN pg_notify('{CHANNEL}', queue) END
"""
INSERT_ONE = INSERT.format(
    given="""
    SELECT 1 AS place, %s AS job_class, %s AS queue, %s::int AS priority, %s::jsonb AS arguments,
           %s::timestamptz AS run_at, %s::bigint AS delay, %s::int AS max_attempts
    """
)
# One JSON document is put together and taken apart faster than an array for each column.
INSERT_MANY = INSERT.format(
    given="""
    SELECT place, row ->> 0 AS job_class, row ->> 1 AS queue, (row ->> 2)::int AS priority,
           row -> 3 AS arguments, (row ->> 4)::timestamptz AS run_at,
           (row ->> 5)::bigint AS delay, (row ->> 6)::int AS max_attempts
    FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS given(row, place)
    """
)

# LATERAL gives each queue its own index range; `queue IN (…) ORDER BY priority` would sort the
# backlog. MATERIALIZED keeps the planner from running the locking part more than once.
# A worker that is just being declared lost is passed over rather than waited for: the one that
# rescues it goes on to the attempts, which this transaction may hold already.
CLAIM_BATCH = f"""
WITH live AS MATERIALIZED (
    SELECT id FROM jobs_worker WHERE id = %s AND status IN ({LIVE}) FOR SHARE SKIP LOCKED
), nearest AS MATERIALIZED (
    SELECT found.* FROM live CROSS JOIN unnest(%s::text[]) AS served(name)
    CROSS JOIN LATERAL (
        SELECT id, priority, run_at, job_class FROM jobs_job
        WHERE status = 'queued' AND queue = served.name
        ORDER BY {BEST_FIRST} LIMIT %s FOR UPDATE SKIP LOCKED
    ) AS found
), best AS MATERIALIZED (
    SELECT id FROM (
        SELECT *, row_number() OVER (ORDER BY {BEST_FIRST}) AS place FROM nearest
    ) AS ranked
    WHERE place <= %s OR job_class = ANY(%s::text[])
    ORDER BY place LIMIT %s
), claimed AS (
    UPDATE jobs_job AS job
    SET status = '{CLAIM.target}', attempts_made = job.attempts_made + 1, started_at = NULL
    FROM best WHERE job.id = best.id
    RETURNING job.id, job.attempts_made, job.job_class, job.queue, job.priority, job.run_at,
              job.arguments::text AS arguments, job.attempts_spent, job.max_attempts,
              job.interruptions, job.losses
), opened AS (
    INSERT INTO jobs_attempt (job_id, number, status, reason, worker_id, claimed_at, started_at,
                              error_type, error_message, traceback, output_bytes, output_dropped,
                              hook_pending)
    SELECT id, attempts_made, '{AttemptStatus.RUNNING}', '', %s, statement_timestamp(),
           CASE WHEN interruptions > 0 THEN statement_timestamp() END,
           '', '', '', 0, 0, false
    FROM claimed
    RETURNING id, job_id
)
SELECT opened.id, {CLAIMED_COLUMNS.replace("id,", "claimed.id,", 1)}
FROM claimed JOIN opened ON opened.job_id = claimed.id
ORDER BY {BEST_FIRST.replace(" id", " claimed.id")}
"""

NEXT_DUE = f"SELECT min(run_at) FROM jobs_job WHERE status IN ({WAITS})"
PROMOTE_BATCH = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM jobs_job WHERE status IN ({WAITS}) AND run_at <= statement_timestamp()
    ORDER BY run_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_job AS job SET status = '{PROMOTE.target}' FROM due WHERE job.id = due.id
RETURNING pg_notify('{CHANNEL}', job.queue)
"""

# The recursion jumps from one queue name to the next through the claim index.
DUE_QUEUES = """
WITH RECURSIVE due(queue) AS (
    (SELECT queue FROM jobs_job WHERE status = 'queued' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT job.queue FROM jobs_job AS job
            WHERE job.status = 'queued' AND job.queue > due.queue ORDER BY job.queue LIMIT 1)
    FROM due WHERE due.queue IS NOT NULL
)
SELECT queue FROM due WHERE queue IS NOT NULL
"""

COMPLETE_BATCH = f"""
WITH given AS (
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::int[],
                         %s::int[], %s::float8[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::text[])
    AS t(id, started_at, finished_at, pid, exit_code, cpu_seconds, peak_rss, output_bytes,
         output_dropped, result)
), held AS MATERIALIZED (
    SELECT attempt.id FROM jobs_attempt AS attempt JOIN given ON given.id = attempt.id
    WHERE attempt.status = '{AttemptStatus.RUNNING}' AND attempt.worker_id = %s
    ORDER BY attempt.id FOR UPDATE OF attempt
), closed AS (
    UPDATE jobs_attempt AS attempt
    SET status = '{AttemptStatus.COMPLETED}', started_at = given.started_at,
        finished_at = given.finished_at, pid = coalesce(given.pid, attempt.pid),
        exit_code = given.exit_code,
        cpu_seconds = given.cpu_seconds, peak_rss = given.peak_rss,
        output_bytes = given.output_bytes, output_dropped = given.output_dropped
    FROM held JOIN given ON given.id = held.id WHERE attempt.id = held.id
    RETURNING attempt.id, attempt.job_id
)
UPDATE jobs_job AS job
SET status = '{COMPLETE.target}', started_at = given.started_at, finished_at = given.finished_at,
    attempts_spent = job.attempts_spent + 1, result = given.result::jsonb,
    error_type = '', error_message = '', error_group = NULL
FROM closed JOIN given ON given.id = closed.id
WHERE job.id = closed.job_id AND job.status = '{JobStatus.RUNNING}'
RETURNING closed.id
"""


COMPLETED = (
    "attempt_id",
    "started_at",
    "finished_at",
    "pid",
    "exit_code",
    "cpu_seconds",
    "peak_rss",
    "output_bytes",
    "output_dropped",
    "result",
)
"""Fields of an outcome, in the order of the arrays of COMPLETE_BATCH."""


RECORD_STARTS = f"""
WITH given AS (
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::int[])
    AS t(id, job_id, at, pid)
), held AS MATERIALIZED (
    SELECT attempt.id FROM jobs_attempt AS attempt JOIN given ON given.id = attempt.id
    WHERE attempt.status = '{AttemptStatus.RUNNING}' AND attempt.worker_id = %s
    ORDER BY attempt.id FOR UPDATE OF attempt
), begun AS (
    UPDATE jobs_attempt AS attempt SET started_at = given.at, pid = given.pid
    FROM held JOIN given ON given.id = held.id WHERE attempt.id = held.id
    RETURNING attempt.id, attempt.job_id, given.at
), shown AS (
    UPDATE jobs_job AS job SET started_at = begun.at
    FROM begun WHERE job.id = begun.job_id AND job.status = '{JobStatus.RUNNING}'
)
SELECT id FROM begun
"""


CONFLICTS = {"40P01", "55P03"}
"""Deadlock, and a lock waited for too long."""
TOO_LONG = "57014"
"""A statement that was ended because it took too long, or by hand."""
SNAPSHOT = """
SELECT clock_timestamp() - min(xact_start) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
"""
"""Of other roles' transactions it sees nothing, unless its own may read all statistics."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PostgreSQLEngine(Engine):
    claims_alone = True

    def lost_against_another(self, error: DatabaseError) -> bool:
        return getattr(error.__cause__, "sqlstate", "") in CONFLICTS

    def outlived(self, error: DatabaseError) -> bool:
        return super().outlived(error) or getattr(error.__cause__, "sqlstate", "") == TOO_LONG

    def now(self) -> datetime:
        moment: datetime = self.rows("SELECT statement_timestamp()", [])[0][0]
        return moment

    def oldest_snapshot(self) -> timedelta | None:
        age: timedelta | None = self.rows(SNAPSHOT, [])[0][0]
        return age

    def insert(self, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
        delays = [round((spec.delay or 0) * 1_000_000) for spec in specs]
        crier = Crier(self)
        stored = sorted(self._insert(specs, delays, origin, crier.cries_at_once(specs)))
        crier.stored({spec.queue for spec, row in zip(specs, stored, strict=True) if row[2]})
        now = EPOCH + timedelta(microseconds=stored[0][1])
        dues = [
            spec.run_at or now + timedelta(microseconds=delay)
            for spec, delay in zip(specs, delays, strict=True)
        ]
        return [
            stored_job(
                self.alias,
                spec,
                origin,
                pk,
                JobStatus.QUEUED if due <= now else JobStatus.SCHEDULED,
                due,
                now,
            )
            for spec, due, (pk, *_) in zip(specs, dues, stored, strict=True)
        ]

    def _insert(
        self, specs: Sequence[JobSpec], delays: Sequence[int], origin: Origin, tells: bool
    ) -> list[tuple[Any, ...]]:
        """Write jobs, the delays of which are in microseconds; each row begins with its id."""
        told = stored_origin(origin)
        if len(specs) > 1:
            given = [(*spec[:5], delay, spec[6]) for spec, delay in zip(specs, delays, strict=True)]
            return self.rows(INSERT_MANY, [*told, msgspec.json.encode(given).decode(), tells])
        name, queue, priority, arguments, run_at, _, max_attempts, _ = specs[0]
        text = msgspec.json.encode(arguments).decode()
        values = [*told, name, queue, priority, text, run_at, delays[0], max_attempts, tells]
        return self.rows(INSERT_ONE, values)

    def claim(
        self, worker: UUID, queues: Sequence[str], free: int, ahead: int, quick: Sequence[str]
    ) -> list[Claim]:
        limit = free + (ahead if quick else 0)
        params = [worker, list(queues), limit, free, list(quick), limit, worker]
        return [
            Claim(attempt_id, job_id, *rest)
            for attempt_id, job_id, *rest in self.rows(CLAIM_BATCH, params)
        ]

    def promote(self, limit: int) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(PROMOTE_BATCH, [limit])
            return int(cursor.rowcount)

    def next_due(self) -> datetime | None:
        moment: datetime | None = self.rows(NEXT_DUE, [])[0][0]
        return moment

    def due_queues(self) -> list[str]:
        return [name for (name,) in self.rows(DUE_QUEUES, [])]

    def complete(self, worker: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        columns: list[Any] = [[getattr(one, name) for one in outcomes] for name in COMPLETED]
        return {pk for (pk,) in self.rows(COMPLETE_BATCH, [*columns, worker])}

    def record_starts(self, worker: UUID, starts: Sequence[Start]) -> set[int]:
        columns: list[Any] = [list(column) for column in zip(*starts, strict=True)]
        return {pk for (pk,) in self.rows(RECORD_STARTS, [*columns, worker])}

    def notify(self, payloads: Iterable[str]) -> None:
        self.rows(
            "SELECT count(pg_notify(%s, payload)) FROM unnest(%s::text[]) AS payload",
            [CHANNEL, list(payloads)],
        )

    def listen(self, name: str) -> Listener:
        return NotifyListener(self.connection) if conf.LISTEN else SilentListener()
