"""How soon a cancelled job is gone, and a killed worker is replaced."""

from __future__ import annotations

import time

import psutil

from jobs.models import Job, Worker
from jobs.states import LIVE_WORKERS, JobStatus

from ..effects import LostOrTwice
from ..figures import percentile
from ..jobs import Outlives, Waits
from ..session import Session
from ..waiting import until


def cancel(session: Session) -> dict[str, float]:
    """From the request to the end of the job's process and of the program it has started."""
    rounds = 3 if session.quick else 20
    session.start_anew()
    with session.worker(1):
        waits = [_cancel_one(session, number) for number in range(rounds)]
    session.effects.exactly(range(rounds))
    return {"cancel-p50": percentile(waits, 0.5), "cancel-p95": percentile(waits, 0.95)}


def _cancel_one(session: Session, number: int) -> float:
    """Return the milliseconds it took."""
    job = Waits(number=number).dispatch()
    session.wait_for(number + 1)
    root = psutil.Process(session.effects.read()[-1].pid)
    tree = [root, *root.children(recursive=True)]
    start = time.monotonic()
    job.cancel()
    until(lambda: not any(map(_lives, tree)), 30.0, "end of a cancelled job", interval=0.001)
    taken = time.monotonic() - start
    until(lambda: _status(job) == JobStatus.CANCELLED, 30.0, "a job recorded as cancelled")
    return 1000 * taken


def recovery(session: Session) -> dict[str, float]:
    """From SIGKILL of a worker to the next start of its job, by another worker of the host.

    Killed at several distances from the start of the other, which may look around by the clock.
    """
    waits = [_recover_once(session, after) for after in ((1,) if session.quick else (1, 4, 7))]
    return {"recovery-p50": percentile(waits, 0.5), "recovery-max": max(waits)}


def _recover_once(session: Session, after: float) -> float:
    """Return the seconds it took."""
    session.start_anew()
    job = Outlives(number=0).dispatch()
    with session.worker(1) as first:
        session.wait_for(1)
        until(lambda: job.attempts.filter(started_at__isnull=False).exists(), 30.0, "its start")
        with session.worker(1):
            until(lambda: _live_workers() == 2, 30.0, "a second worker")
            time.sleep(after)
            start = time.monotonic()
            first.kill()
            session.wait_for(2, patience=180.0)
            until(lambda: _status(job) == JobStatus.COMPLETED, 30.0, "the job completed")
    effects = session.effects.read()
    if len(effects) != 2:
        raise LostOrTwice(f"a job of a killed worker ran {len(effects)} times, not twice")
    return effects[1].at - start


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _status(job: Job) -> str:
    return Job.objects.values_list("status", flat=True).get(pk=job.pk)


def _live_workers() -> int:
    return Worker.objects.filter(status__in=LIVE_WORKERS).count()
