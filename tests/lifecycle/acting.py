"""What the tests do as a worker would: dispatch, claim, report an outcome, meet other connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import connection

from jobs.lifecycle import claiming, dispatching, finishing
from jobs.lifecycle.engines import Engine, Listener, engine_for
from jobs.lifecycle.records import Claim, JobSpec, Outcome, Settled, Start
from jobs.models import Job, Worker
from jobs.states import AttemptStatus, Reason
from tests.waiting import wait_until

from .job_classes import Plain

T = TypeVar("T")
QUEUES = ("default",)
LISTENER = "0" * 32
"""The name of the worker that listens."""


def spec(**values: Any) -> JobSpec:
    """Return a job to be stored: of class Plain, due at once, three attempts, unless told otherwise."""
    defaults: dict[str, Any] = {
        "job_class": Plain.job_name,
        "queue": "default",
        "priority": 0,
        "arguments": {"number": 1},
        "run_at": None,
        "delay": None,
        "max_attempts": 3,
    }
    return JobSpec(**(defaults | values))


def dispatch(**values: Any) -> Job:
    return dispatching.dispatch([spec(**values)])[0]


def claim(
    worker: Worker, free: int = 1, queues: Sequence[str] = QUEUES, **more: Any
) -> list[Claim]:
    return claiming.claim(engine_for(), worker.pk, queues, free, **more)


def claim_new(worker: Worker, **values: Any) -> Claim:
    """Dispatch a job and claim it."""
    job = dispatch(**values)
    claimed = claiming.claim_job(engine_for(), worker.pk, job.pk)
    assert claimed is not None
    return claimed


def outcome(one: Claim, status: str = AttemptStatus.COMPLETED, **values: Any) -> Outcome:
    """Return how an attempt ended: just now, after two seconds, unless told otherwise."""
    now = engine_for().now()
    defaults: dict[str, Any] = {
        "due_at": one.run_at,
        "started_at": now - timedelta(seconds=2),
        "finished_at": now,
        "pid": 4711,
        "cpu_seconds": 0.5,
    }
    if status == AttemptStatus.FAILED:
        defaults |= {
            "reason": Reason.EXCEPTION,
            "error_type": "ValueError",
            "error_message": "no such thing",
            "traceback": "Traceback: …",
        }
    return Outcome(
        attempt_id=one.attempt_id,
        job_id=one.job_id,
        job_class=one.job_class,
        queue=one.queue,
        number=one.number,
        status=AttemptStatus(status),
        **(defaults | values),
    )


def finish(worker: Worker, one: Claim, status: str, **values: Any) -> Settled | None:
    return finishing.finish(engine_for(), worker.pk, [outcome(one, status, **values)])[0]


def fail(worker: Worker, one: Claim, **values: Any) -> Settled | None:
    return finish(worker, one, AttemptStatus.FAILED, **values)


def stored(job_id: int) -> Job:
    return Job.objects.get(id=job_id)


# -- several connections ---------------------------------------------------------------------------

BACKEND = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
BLOCKED = {
    "postgresql": "SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s",
    "mysql": """
        SELECT 1 FROM information_schema.innodb_trx
        WHERE trx_state = 'LOCK WAIT' AND trx_mysql_thread_id = %s
    """,
}
"""Who a connection is to its server, and whether that one waits for a lock."""
LOOK_EVERY = 0.25
"""Seconds: MySQL answers anew only when nobody has asked for a tenth of one."""


class Other(threading.Thread):
    """Does something in a thread, and so on a connection, of its own. `result()` waits for its end."""

    def __init__(self, act: Callable[[Engine], Any]) -> None:
        super().__init__()
        self.act = act
        self.value: Any = None
        self.error: BaseException | None = None
        self.began = threading.Event()
        self.backend = 0
        self.start()

    def run(self) -> None:
        try:
            engine = engine_for()
            engine.connection.ensure_connection()
            if connection.vendor in BACKEND:
                self.backend = engine.rows(BACKEND[connection.vendor], [])[0][0]
            self.began.set()
            self.value = self.act(engine)
        except BaseException as error:
            self.error = error
        finally:
            self.began.set()
            connection.close()

    def result(self) -> Any:
        self.join(30)
        assert not self.is_alive(), "still waiting after 30 s"
        if self.error is not None:
            raise self.error
        return self.value

    def wait_until_blocked(self) -> None:
        """Wait until it waits for a lock; on SQLite, whose locks nobody can ask for, until it began."""
        assert self.began.wait(20)
        if connection.vendor in BLOCKED:
            sql = BLOCKED[connection.vendor]
            wait_until(
                lambda: engine_for().rows(sql, [self.backend]),
                message="it is not blocked",
                interval=LOOK_EVERY,
            )


def at_once(count: int, act: Callable[[Engine], T]) -> list[T]:
    """Return what `act` gave to each of `count` threads that started it at the same moment."""
    gate = threading.Barrier(count, timeout=30)

    def run(engine: Engine) -> T:
        gate.wait()
        return act(engine)

    return [other.result() for other in [Other(run) for _ in range(count)]]


def begin(engine: Engine, worker: Worker, one: Claim, at: datetime, pid: int) -> bool:
    """Record that a process has got a claimed attempt; return whether it was the worker's."""
    start = Start(one.attempt_id, one.job_id, at, pid)
    return one.attempt_id in finishing.record_starts(engine, worker.pk, [start])


def heard_before_a_known_end(listener: Listener) -> set[str]:
    """Return all that is heard until something that is said now, so that nothing is on its way."""
    heard: set[str] = set()
    dispatch(queue="the end")
    while "the end" not in heard:
        heard |= wait_until(listener.heard)
    return heard - {"the end", ""}
