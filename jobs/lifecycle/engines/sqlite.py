"""SQLite: short IMMEDIATE transactions, `UPDATE … RETURNING`, datagrams and `data_version`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from ...models import Job
from ...origins import Origin
from ...states import AttemptStatus, JobStatus
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
    stored_job,
    stored_origin,
)
from .datagrams import DatagramListener, send

INSERT = """
INSERT INTO jobs_job (job_class, queue, priority, arguments, status, run_at, created_at,
                      max_attempts, origin, parent_id, attempts_spent, attempts_made, interruptions,
                      error_type, error_message)
VALUES {rows} RETURNING id
"""
INSERT_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0, '', '')"

NEAREST = f"""
SELECT * FROM (SELECT id, priority, run_at, job_class FROM jobs_job
               WHERE status = 'queued' AND queue = %s ORDER BY {BEST_FIRST} LIMIT %s)
"""
CLAIM_BATCH = f"""
UPDATE jobs_job
SET status = '{CLAIM.target}', attempts_made = attempts_made + 1, started_at = NULL
WHERE id IN (
    SELECT id FROM (
        SELECT id, job_class, row_number() OVER (ORDER BY {BEST_FIRST}) AS place FROM ({{nearest}})
    )
    WHERE place <= %s OR job_class IN ({{quick}})
    ORDER BY place LIMIT %s
) AND EXISTS (SELECT 1 FROM jobs_worker WHERE id = %s AND status IN ({LIVE}))
RETURNING {CLAIMED_COLUMNS.replace("run_at", "run_at || ''")}
"""
OPEN_ATTEMPTS = """
INSERT INTO jobs_attempt (job_id, number, status, reason, worker_id, claimed_at, started_at,
                          error_type, error_message, traceback, output_bytes, output_dropped,
                          hook_pending)
VALUES {rows} RETURNING job_id, id
"""
OPEN_ROW = f"(%s, %s, '{AttemptStatus.RUNNING}', '', %s, %s, %s, '', '', '', 0, 0, 0)"

# Left to itself SQLite prefers the index of all statuses, and reads and sorts all that waits.
NEXT_DUE = f"""
SELECT min(run_at) FROM jobs_job INDEXED BY jobs_job_due WHERE status IN ({WAITS})
"""
PROMOTE_BATCH = f"""
UPDATE jobs_job SET status = '{PROMOTE.target}'
WHERE id IN (SELECT id FROM jobs_job INDEXED BY jobs_job_due
             WHERE status IN ({WAITS}) AND run_at <= %s ORDER BY run_at LIMIT %s)
RETURNING queue
"""
DUE_QUEUES = """
WITH RECURSIVE due(queue) AS (
    SELECT min(queue) FROM jobs_job INDEXED BY jobs_job_claim WHERE status = 'queued'
    UNION ALL
    SELECT (SELECT min(job.queue) FROM jobs_job AS job INDEXED BY jobs_job_claim
            WHERE job.status = 'queued' AND job.queue > due.queue)
    FROM due WHERE due.queue IS NOT NULL
)
SELECT queue FROM due WHERE queue IS NOT NULL
"""
CLOSE_ATTEMPT = f"""
UPDATE jobs_attempt
SET status = '{AttemptStatus.COMPLETED}', started_at = %s, finished_at = %s, pid = coalesce(%s, pid),
    exit_code = %s, cpu_seconds = %s, peak_rss = %s, output_bytes = %s, output_dropped = %s
WHERE id = %s
"""
HELD_ATTEMPTS = f"""
SELECT id FROM jobs_attempt
WHERE id IN ({{ids}}) AND status = '{AttemptStatus.RUNNING}' AND worker_id = %s
"""
START_ATTEMPT = "UPDATE jobs_attempt SET started_at = %s, pid = %s WHERE id = %s"
START_JOB = f"""
UPDATE jobs_job SET started_at = %s WHERE id = %s AND status = '{JobStatus.RUNNING}'
"""
COMPLETE_JOB = f"""
UPDATE jobs_job
SET status = '{COMPLETE.target}', started_at = %s, finished_at = %s,
    attempts_spent = attempts_spent + 1, result = %s,
    error_type = '', error_message = '', error_group = NULL
WHERE id = %s AND status = '{JobStatus.RUNNING}'
"""
ROWS_PER_INSERT = 1000
"""Ten parameters each, well below SQLite's 32,766."""


class SQLiteEngine(Engine):
    """All processes that share a SQLite database run on one host, so its clock is the host's."""

    is_local = True

    larger, smaller = "max", "min"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def stored(self, moment: datetime | None) -> str | None:
        """Return a time as Django stores it, in a fifth of the time."""
        if moment is None:
            return None
        zone = self.connection.timezone
        if moment.tzinfo is not zone:
            moment = moment.astimezone(zone)
        return str(moment.replace(tzinfo=None))

    def moment(self, value: str | datetime) -> datetime:
        """Return the aware time a column holds; the driver may have parsed it already."""
        naive = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return naive.replace(tzinfo=self.connection.timezone)

    def insert(self, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
        jobs = []
        with transaction.atomic(using=self.alias, savepoint=False):
            for start in range(0, len(specs), ROWS_PER_INSERT):
                jobs += self._insert_some(specs[start : start + ROWS_PER_INSERT], origin)
        queues = {job.queue for job in jobs if job.status == JobStatus.QUEUED}
        if queues:
            self.notify(queues)
        return jobs

    def _insert_some(self, specs: Sequence[JobSpec], origin: Origin) -> list[Job]:
        now = self.now()
        dues = [spec.run_at or now + timedelta(seconds=spec.delay or 0) for spec in specs]
        states = [JobStatus.QUEUED if due <= now else JobStatus.SCHEDULED for due in dues]
        params: list[Any] = []
        told = stored_origin(origin)
        for spec, due, status in zip(specs, dues, states, strict=True):
            arguments = msgspec.json.encode(spec.arguments).decode()
            params += [spec.job_class, spec.queue, spec.priority, arguments]
            params += [status.value, self.stored(due), self.stored(now), spec.max_attempts, *told]
        sql = INSERT.format(rows=", ".join([INSERT_ROW] * len(specs)))
        ids = sorted(pk for (pk,) in self.rows(sql, params))
        return [
            stored_job(self.alias, spec, origin, pk, status, due, now)
            for spec, pk, status, due in zip(specs, ids, states, dues, strict=True)
        ]

    def claim(
        self, worker: UUID, queues: Sequence[str], free: int, ahead: int, quick: Sequence[str]
    ) -> list[Claim]:
        if not queues:
            return []
        limit = free + (ahead if quick else 0)
        sql = CLAIM_BATCH.format(
            nearest=" UNION ALL ".join([NEAREST] * len(queues)),
            quick=", ".join(["%s"] * len(quick)),
        )
        params: list[Any] = []
        for name in queues:
            params += [name, limit]
        claimed = self.rows(sql, [*params, free, *quick, limit, worker.hex])
        return self._open_attempts(worker, claimed) if claimed else []

    def _open_attempts(self, worker: UUID, claimed: list[tuple[Any, ...]]) -> list[Claim]:
        now = self.stored(self.now())
        params: list[Any] = []
        for job_id, number, *_, interruptions, _losses in claimed:
            params += [job_id, number, worker.hex, now, now if interruptions else None]
        sql = OPEN_ATTEMPTS.format(rows=", ".join([OPEN_ROW] * len(claimed)))
        opened = dict(self.rows(sql, params))
        claims = [self._claim(opened, row) for row in claimed]
        return sorted(claims, key=lambda claim: (-claim.priority, claim.run_at, claim.job_id))

    def _claim(self, opened: dict[Any, Any], row: tuple[Any, ...]) -> Claim:
        """Return the claim of a row of CLAIMED_COLUMNS; `opened` gives the attempt of each job."""
        job_id, number, job_class, queue, priority, run_at, *rest = row
        due = self.moment(run_at)
        return Claim(opened[job_id], job_id, number, job_class, queue, priority, due, *rest)

    def promote(self, limit: int) -> int:
        found = self.rows(PROMOTE_BATCH, [self.stored(self.now()), limit])
        if found:
            self.notify({name for (name,) in found})
        return len(found)

    def next_due(self) -> datetime | None:
        first = self.rows(NEXT_DUE, [])[0][0]
        return self.moment(first) if first else None

    def due_queues(self) -> list[str]:
        return [name for (name,) in self.rows(DUE_QUEUES, [])]

    def complete(self, worker: UUID, outcomes: Sequence[Outcome]) -> set[int]:
        held = self._held(worker, [one.attempt_id for one in outcomes])
        attempts: list[tuple[Any, ...]] = []
        jobs: list[tuple[Any, ...]] = []
        for one in outcomes:
            if one.attempt_id in held:
                times = self.stored(one.started_at), self.stored(one.finished_at)
                measures = one.pid, one.exit_code, one.cpu_seconds, one.peak_rss
                sizes = one.output_bytes, one.output_dropped
                attempts.append((*times, *measures, *sizes, one.attempt_id))
                jobs.append((*times, one.result, one.job_id))
        self._each(CLOSE_ATTEMPT, attempts)
        self._each(COMPLETE_JOB, jobs)
        return held

    def record_starts(self, worker: UUID, starts: Sequence[Start]) -> set[int]:
        held = self._held(worker, [one.attempt_id for one in starts])
        begun = [(self.stored(one.at), one) for one in starts if one.attempt_id in held]
        self._each(START_ATTEMPT, [(at, one.pid, one.attempt_id) for at, one in begun])
        self._each(START_JOB, [(at, one.job_id) for at, one in begun])
        return held

    def _held(self, worker: UUID, attempt_ids: Sequence[int]) -> set[int]:
        """Return which attempts still run and are the worker's.

        That stays so until the end of the transaction: it is IMMEDIATE, nobody else writes.
        """
        sql = HELD_ATTEMPTS.format(ids=", ".join(["%s"] * len(attempt_ids)))
        return {pk for (pk,) in self.rows(sql, [*attempt_ids, worker.hex])}

    def _each(self, sql: str, params: Sequence[tuple[Any, ...]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(sql, params)

    def notify(self, payloads: Iterable[str]) -> None:
        name, news = self.database, frozenset(payloads)
        transaction.on_commit(lambda: send(name, news), using=self.alias, robust=True)

    def listen(self, name: str) -> Listener:
        return DatagramListener(self.connection, self.database, name)

    @property
    def database(self) -> str:
        return str(self.connection.settings_dict["NAME"])
