from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from jobs.lifecycle import leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.leasing import Identity
from jobs.models import JobClass, Queue, Worker
from jobs.states import LIVE_WORKERS, WorkerStatus
from tests.factories import make_worker

from .acting import claim_new

pytestmark = pytest.mark.django_db

SELF = Identity(
    worker_id=uuid.uuid4(),
    hostname="alpha",
    host_id="boot:1",
    pid=4711,
    process_started=12.5,
    queues=("a", "b"),
    concurrency=3,
    version="1.2",
)


def expire(worker: Worker, engine: Engine, seconds: float = 1) -> None:
    ended = engine.now() - timedelta(seconds=seconds)
    Worker.objects.filter(pk=worker.pk).update(lease_expires_at=ended)


def test_a_worker_is_entered_with_a_lease_by_the_database_s_clock(engine: Engine) -> None:
    before = engine.now()
    leasing.register(engine, SELF, 60)
    row = Worker.objects.get()
    assert before <= row.started_at <= engine.now()
    assert row.lease_expires_at - row.beat_at == timedelta(seconds=60)
    assert (row.id, row.pid, row.queues) == (SELF.worker_id, 4711, ["a", "b"])
    assert row.status == WorkerStatus.RUNNING


def test_entering_a_worker_again_changes_nothing(engine: Engine) -> None:
    leasing.register(engine, SELF, 60)
    first = Worker.objects.values().get()
    leasing.register(engine, replace(SELF, pid=1), 90)
    assert Worker.objects.values().get() == first


@pytest.mark.parametrize(
    ("draining", "status"), [(False, WorkerStatus.RUNNING), (True, WorkerStatus.DRAINING)]
)
def test_a_live_worker_prolongs_its_lease(
    draining: bool, status: str, worker: Worker, engine: Engine
) -> None:
    expire(worker, engine)
    assert leasing.renew(engine, worker.pk, 30, draining=draining)
    worker.refresh_from_db()
    assert worker.status == status
    assert worker.lease_expires_at - worker.beat_at == timedelta(seconds=30)
    assert worker.lease_expires_at > engine.now()


@pytest.mark.parametrize("status", sorted(set(WorkerStatus) - LIVE_WORKERS))
def test_a_worker_that_is_not_live_cannot_prolong_its_lease(status: str, engine: Engine) -> None:
    dead = make_worker(status=status)
    assert not leasing.renew(engine, dead.pk, 30, draining=False)
    after = Worker.objects.get()
    assert (after.status, after.lease_expires_at) == (status, dead.lease_expires_at)


def test_a_worker_that_leaves_holding_nothing_has_stopped(worker: Worker, engine: Engine) -> None:
    leasing.leave(engine, worker.pk)
    worker.refresh_from_db()
    assert worker.status == WorkerStatus.STOPPED
    assert worker.stopped_at is not None
    assert leasing.rescue(engine, worker.pk, gone=True) is None


def test_a_worker_that_leaves_attempts_behind_is_rescued_by_the_next(
    worker: Worker, engine: Engine
) -> None:
    one = claim_new(worker)
    leasing.leave(engine, worker.pk)
    assert worker in leasing.expired(engine, engine.now())
    settled = leasing.rescue(engine, worker.pk)
    assert settled is not None
    assert [each.attempt_id for each in settled] == [one.attempt_id]


def test_a_lost_worker_that_leaves_stays_lost(engine: Engine) -> None:
    dead = make_worker(status=WorkerStatus.LOST)
    leasing.leave(engine, dead.pk)
    dead.refresh_from_db()
    assert dead.status == WorkerStatus.LOST


def test_a_lease_is_over_when_the_database_s_clock_says_so(
    worker: Worker, other_worker: Worker, engine: Engine
) -> None:
    expire(worker, engine, seconds=0.001)
    assert leasing.expired(engine, engine.now()) == [worker]


@pytest.mark.parametrize("status", sorted(set(WorkerStatus) - LIVE_WORKERS))
def test_the_lease_of_a_worker_that_is_not_live_is_nobody_s_business(
    status: str, engine: Engine
) -> None:
    expire(make_worker(status=status), engine)
    assert leasing.expired(engine, engine.now()) == []


def test_a_worker_lives_while_its_lease_does(worker: Worker, engine: Engine) -> None:
    assert leasing.is_served("any")
    expire(worker, engine)
    assert not leasing.is_served("any")


def test_no_worker_lives_where_all_have_stopped(db: None) -> None:
    make_worker(status=WorkerStatus.STOPPED)
    assert not leasing.is_served("any")


def test_a_queue_is_served_by_those_who_name_it(db: None) -> None:
    make_worker(queues=["mail"])
    assert leasing.is_served("mail")
    assert not leasing.is_served("other")


def test_neighbours_are_the_other_live_workers_of_the_same_host(engine: Engine) -> None:
    leasing.register(engine, SELF, 60)
    near = make_worker(host_id=SELF.host_id)
    make_worker(host_id=SELF.host_id, status=WorkerStatus.LOST)
    make_worker(host_id="boot:2")
    assert leasing.neighbours(engine, SELF) == [near]


def test_names_are_entered_once(engine: Engine) -> None:
    leasing.enter_names(engine, ["b", "a"], ["shop.One"])
    leasing.enter_names(engine, ["b", "c"], ["shop.One", "shop.Two"])
    assert leasing.known_queues(engine) == ["a", "b", "c"]
    assert Queue.objects.count() == 3
    assert set(JobClass.objects.values_list("name", flat=True)) == {"shop.One", "shop.Two"}
