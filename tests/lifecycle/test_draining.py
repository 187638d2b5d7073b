"""Workers that are asked to leave, and those that are gone and no longer of interest."""

from __future__ import annotations

import pytest

from jobs.lifecycle import leasing
from jobs.lifecycle.engines import Engine
from jobs.models import AuditEntry, Job, Worker
from jobs.states import LIVE_WORKERS, WorkerStatus
from tests.factories import make_job, make_user, make_worker

from .acting import begin, claim_new

pytestmark = pytest.mark.django_db


def test_a_worker_is_asked_to_leave_once(engine: Engine, worker: Worker) -> None:
    assert not leasing.drain_asked(engine, worker.pk)
    assert leasing.drain(worker.pk, by=make_user(username="ana"))
    assert not leasing.drain(worker.pk)
    assert leasing.drain_asked(engine, worker.pk)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor_name) == ("drain", "alpha:100", "ana")


@pytest.mark.parametrize("status", sorted(set(WorkerStatus) - {WorkerStatus.RUNNING}))
def test_a_worker_that_leaves_or_is_gone_is_not_asked(status: str) -> None:
    assert not leasing.drain(make_worker(status).pk)


@pytest.mark.parametrize("status", sorted(set(WorkerStatus) - LIVE_WORKERS))
def test_a_worker_that_is_gone_is_forgotten_once(status: str) -> None:
    gone = make_worker(status)
    assert leasing.forget(gone.pk)
    assert not leasing.forget(gone.pk)
    assert AuditEntry.objects.get().action == "forget"


def test_a_worker_that_nobody_rescued_is_not_forgotten(engine: Engine, worker: Worker) -> None:
    Worker.objects.update(lease_expires_at=engine.now())
    assert not leasing.forget(worker.pk)
    leasing.rescue(engine, worker.pk, gone=True)
    assert leasing.forget(worker.pk)


def test_a_lost_worker_says_what_became_of_its_jobs(engine: Engine, worker: Worker) -> None:
    claim_new(worker)
    for losses in (0, 1):
        begun = claim_new(worker)
        Job.objects.filter(id=begun.job_id).update(losses=losses)
        begin(engine, worker, begun, engine.now(), 7)
    make_job()
    leasing.rescue(engine, worker.pk, gone=True)
    worker.refresh_from_db()
    assert worker.rescued == {"queued": 2, "retrying": 1}


def test_a_heartbeat_says_what_the_worker_uses(engine: Engine, worker: Worker) -> None:
    usage = leasing.Usage(rss=50_000_000, cpu_seconds=1.5)
    assert leasing.renew(engine, worker.pk, 60, draining=False, usage=usage)
    worker.refresh_from_db()
    assert (worker.rss, worker.cpu_seconds) == (50_000_000, 1.5)
