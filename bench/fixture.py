"""Fills a database with finished jobs, to see what still works when there are millions of them.

    DATABASE_URL=postgresql://… python -m bench.fixture --jobs 5000000

The database computes the rows itself: the n-th job is the same everywhere, but for its times, which
spread over the days before now. Of 100 jobs 94 are completed, 4 of them at their second attempt; 4
have failed three times; 2 were cancelled, one of them before it ran. This is the one writer of
statuses outside `jobs.lifecycle`: it makes history, and changes nothing that lives.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import django
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.utils import timezone

from .dialects import DIALECTS, pick
from .history import (
    CLASS_PLACE,
    CLASSES,
    CPU,
    FAILS,
    MADE,
    NUMBERS,
    PEAK,
    QUEUE_PLACE,
    QUEUES,
    STATUS,
    TAG,
    TAGGED,
    TOOK,
    TRACEBACK,
    TRIES,
    WAITED,
    error,
    error_group,
    thrown,
    where,
)
from .sums import Sums

BATCH = 100_000
"""Jobs of one transaction."""
MARGIN = 600.0
"""Seconds before now by which even the last job has ended."""
WORKERS = 4


def fill(count: int, *, days: float = 30.0, using: str = DEFAULT_DB_ALIAS) -> None:
    """Store so many finished jobs with their attempts, spread over the last days.

    Nobody else may dispatch meanwhile. The database's own statistics are up to date afterwards.
    """
    from jobs.models import Attempt, ErrorRollup, Job, Rollup, Tag

    with transaction.atomic(using=using):
        workers = _store_names_and_workers(using)
    history = History(using, count, days)
    for first in range(0, count, BATCH):
        with transaction.atomic(using=using):
            history.write(Job, history.jobs(), first)
            history.write(Attempt, history.attempts(workers), first, each="number")
            history.write(Tag, history.tags(), first, among=TAGGED)
            history.sums.write(first, min(first + BATCH, count) - 1)
    history.finish(Job, Attempt, Tag, Rollup, ErrorRollup)


def look_through(using: str = DEFAULT_DB_ALIAS) -> None:
    """Have PostgreSQL do, outside a transaction, what it does by itself some time after tables were filled.

    Until then it does not know which rows an index alone can answer for, and reads tables in its place;
    whether that comes before somebody looks, or after, is chance.
    """
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")


def _store_names_and_workers(using: str) -> list[UUID]:
    """Store the queues, the classes, and the workers that ran it all and have stopped since."""
    from jobs.models import JobClass, Queue, Worker
    from jobs.states import WorkerStatus

    Queue.objects.using(using).bulk_create(
        [Queue(name=name) for name in sorted(set(QUEUES))], ignore_conflicts=True
    )
    JobClass.objects.using(using).bulk_create(
        [JobClass(name=name) for name in CLASSES], ignore_conflicts=True
    )
    now = timezone.now()
    times = dict.fromkeys(("started_at", "beat_at", "lease_expires_at", "stopped_at"), now)
    workers = [
        Worker(
            hostname=f"worker-{number}",
            host_id=f"fixture-{number}",
            pid=1000 + number,
            process_started=0.0,
            concurrency=8,
            version="0",
            status=WorkerStatus.STOPPED,
            **times,
        )
        for number in range(WORKERS)
    ]
    return [worker.pk for worker in Worker.objects.using(using).bulk_create(workers)]


class History:
    """Writes rows by `INSERT … SELECT` over a series of numbers."""

    def __init__(self, using: str, count: int, days: float) -> None:
        from jobs.models import Job

        self.connection = connections[using]
        self.dialect = DIALECTS[self.connection.vendor]
        self.count = count
        first_id = 1 + (Job.objects.using(using).aggregate(id=models.Max("id"))["id"] or 0)
        self.id = f"{first_id} + n"
        end = (timezone.now() - timedelta(seconds=MARGIN)).timestamp()
        self.dispatched = f"{end:.6f} + (n - {count}) * {days * 86_400 / max(count, 1):.9f}"
        finished = f"{self.dispatched} + {WAITED} + 60 * (number - 1) + {TOOK}"
        self.sums = Sums.of(using, self.dialect, finished, first_id)
        if self.dialect.prepare:
            self._execute(self.dialect.prepare)

    def jobs(self) -> dict[str, str]:
        """Return field → expression for a job."""
        last = f"{WAITED} + 60 * ({TRIES} - 1)"
        dispatched = self._time("0")
        return {
            "id": self.id,
            "job_class": pick(CLASSES, CLASS_PLACE),
            "queue": pick(QUEUES, QUEUE_PLACE),
            "priority": "CASE WHEN n % 20 = 0 THEN 10 ELSE 0 END",
            "arguments": self.dialect.json("""'{"order_id": ' || n || '}'"""),
            "status": STATUS,
            "run_at": dispatched,
            "created_at": dispatched,
            "started_at": f"CASE WHEN dice < 99 THEN {self._time(last)} END",
            "finished_at": self._time(f"{last} + {TOOK}"),
            "max_attempts": "3",
            "attempts_spent": MADE,
            "attempts_made": MADE,
            "error_type": where("dice BETWEEN 94 AND 97", error("{type}")),
            "error_message": where("dice BETWEEN 94 AND 97", error("{message}")),
            "error_group": f"CASE WHEN dice BETWEEN 94 AND 97 THEN {error_group()} END",
            "result": self.dialect.json("""CASE WHEN dice < 94 THEN '{"rows": ' || n || '}' END"""),
        }

    def attempts(self, workers: list[UUID]) -> dict[str, str]:
        """Return field → expression for the attempt `number` of a job."""
        start = f"{WAITED} + 60 * (number - 1)"
        reason = f"CASE WHEN {FAILS} THEN 'exception' WHEN dice = 98 THEN 'cancelled' ELSE '' END"
        return {
            "job": self.id,
            "number": "number",
            "status": f"CASE WHEN {FAILS} THEN 'failed' ELSE {STATUS} END",
            "reason": reason,
            "worker": self.dialect.uuid(workers, "n"),
            "pid": "2000 + n % 1000",
            "claimed_at": self._time(start),
            "started_at": self._time(start),
            "finished_at": self._time(f"{start} + {TOOK}"),
            "error_type": where(FAILS, error("{type}")),
            "error_message": where(FAILS, error("{message}")),
            "traceback": where(FAILS, error(TRACEBACK)),
            "cpu_seconds": CPU,
            "peak_rss": PEAK,
        }

    def tags(self) -> dict[str, str]:
        """Return field → expression for the tag of a job."""
        return {"job": self.id, "job_number": self.id, "name": TAG}

    def write(
        self,
        model: type[models.Model],
        given: Mapping[str, str],
        first: int,
        *,
        each: str = "",
        among: str = "",
    ) -> None:
        """Write one batch: a row per job, or per job `among` them, or per attempt by its number."""
        columns = dict(self._columns(model, given))
        places = thrown(self.dialect, first, min(first + BATCH, self.count) - 1)
        many = f"CROSS JOIN {NUMBERS} WHERE {each} <= {MADE} ORDER BY n, {each}" if each else ""
        some = f"WHERE {among}" if among else ""
        self._execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(columns)})"
            f" SELECT {', '.join(columns.values())} FROM {places} {many or some}"
        )

    def finish(self, *written: type[models.Model]) -> None:
        """Have ids go on behind the last, and tell the planner what there is."""
        for statement in self.connection.ops.sequence_reset_sql(no_style(), list(written)):
            self._execute(statement)
        for model in written if self.dialect.analyze else ():
            self._execute(f"{self.dialect.analyze} {model._meta.db_table}")

    def _columns(
        self, model: type[models.Model], given: Mapping[str, str]
    ) -> Iterator[tuple[str, str]]:
        """Yield column and expression; what is not given is null or empty."""
        for field in model._meta.concrete_fields:
            column = str(field.column)
            if field.name in given:
                yield column, given[field.name]
            elif not field.primary_key and not field.null:
                yield column, self._empty(field)

    def _empty(self, field: models.Field[Any, Any]) -> str:
        if isinstance(field, models.CharField | models.TextField):
            return "''"
        if isinstance(field, models.JSONField):
            return self.dialect.json("'{}'")
        return "false" if isinstance(field, models.BooleanField) else "0"

    def _time(self, offset: str) -> str:
        """Return the time so many seconds after the dispatch of a job."""
        return self.dialect.time(f"{self.dispatched} + {offset}")

    def _execute(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fixture", description=__doc__)
    parser.add_argument("--jobs", type=int, default=5_000_000)
    parser.add_argument("--days", type=float, default=30.0, help="they spread over so many days")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    django.setup()
    start = time.monotonic()
    fill(options.jobs, days=options.days)
    print(f"{options.jobs} jobs in {time.monotonic() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
