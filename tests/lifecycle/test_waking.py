"""Workers are told of news when it is committed, and not before. Without that they poll."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path

import pytest
from django.db import transaction

from jobs.lifecycle import changing, claiming, dispatching
from jobs.lifecycle.engines import Engine, Listener, datagrams
from jobs.lifecycle.engines.base import CANCEL
from jobs.models import Worker
from jobs.states import AttemptStatus, JobStatus, Reason
from tests.factories import make_job

from .acting import LISTENER, claim_new, dispatch, finish, heard_before_a_known_end, spec

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("talkative")]


def test_a_due_job_is_heard_of_by_the_name_of_its_queue(listener: Listener) -> None:
    dispatch(queue="mail")
    assert heard_before_a_known_end(listener) == {"mail"}


def test_nothing_is_heard_before_the_commit(listener: Listener) -> None:
    with transaction.atomic():
        dispatch(queue="mail")
        assert listener.heard() == set()
    assert heard_before_a_known_end(listener) == {"mail"}


def test_nothing_is_heard_of_what_is_rolled_back(listener: Listener) -> None:
    with transaction.atomic():
        dispatch(queue="mail")
        transaction.set_rollback(True)
    assert heard_before_a_known_end(listener) == set()


def test_nothing_is_heard_of_a_job_for_later(listener: Listener) -> None:
    dispatch(queue="mail", delay=60)
    assert heard_before_a_known_end(listener) == set()


def test_a_queue_is_heard_of_once_for_many_jobs(listener: Listener) -> None:
    dispatching.dispatch([spec(queue=f"q{n % 3}") for n in range(500)])
    assert heard_before_a_known_end(listener) == {"q0", "q1", "q2"}


def test_a_retry_is_heard_of(listener: Listener) -> None:
    changing.retry(make_job(JobStatus.FAILED, queue="slow").pk)
    assert heard_before_a_known_end(listener) == {"slow"}


def test_a_cancel_is_heard_of(listener: Listener) -> None:
    changing.cancel(make_job(JobStatus.RUNNING).pk)
    assert heard_before_a_known_end(listener) == {CANCEL}


def test_a_job_that_falls_due_is_heard_of(listener: Listener, engine: Engine) -> None:
    make_job(JobStatus.SCHEDULED, queue="slow", run_at=engine.now())
    listener.heard()
    assert claiming.promote(engine) == 1
    assert heard_before_a_known_end(listener) == {"slow"}


def test_a_job_that_nobody_began_is_heard_of_when_it_is_given_back(
    listener: Listener, engine: Engine, worker: Worker
) -> None:
    one = claim_new(worker, queue="slow")
    heard_before_a_known_end(listener)
    claiming.unclaim(engine, worker.pk, [one])
    assert heard_before_a_known_end(listener) == {"slow"}


def test_a_job_whose_worker_stopped_is_heard_of(listener: Listener, worker: Worker) -> None:
    one = claim_new(worker, queue="slow")
    heard_before_a_known_end(listener)
    finish(worker, one, AttemptStatus.RELEASED, reason=Reason.SHUTDOWN)
    assert heard_before_a_known_end(listener) == {"slow"}


def test_what_has_been_heard_is_heard_once(listener: Listener) -> None:
    dispatch(queue="mail")
    heard_before_a_known_end(listener)
    assert listener.heard() == set()


def test_the_descriptor_is_readable_when_there_is_news(listener: Listener) -> None:
    assert select.select([listener], [], [], 0)[0] == []
    dispatch()
    assert select.select([listener], [], [], 20)[0] == [listener]


def test_a_closed_listener_can_be_followed_by_another(
    heard_of: None, private: Path, elsewhere: Engine
) -> None:
    elsewhere.listen(LISTENER).close()
    again = elsewhere.listen(LISTENER)
    dispatch(queue="mail")
    assert heard_before_a_known_end(again) == {"mail"}
    again.close()


# -- SQLite ----------------------------------------------------------------------------------------


def test_a_commit_of_any_kind_is_noticed(only_sqlite: None, listener: Listener) -> None:
    make_job()
    assert listener.heard() == {""}


def test_its_own_commits_are_no_news(
    only_sqlite: None, listener: Listener, elsewhere: Engine
) -> None:
    elsewhere.rows("DELETE FROM jobs_queue RETURNING name", [])
    assert listener.heard() == set()


def test_transactions_that_write_nothing_are_no_news(
    only_sqlite: None, listener: Listener, engine: Engine
) -> None:
    with transaction.atomic():
        engine.due_queues()
    assert listener.heard() == set()


def test_more_names_than_a_datagram_holds_say_look_at_everything(
    only_sqlite: None, listener: Listener
) -> None:
    dispatching.dispatch([spec(queue=f"{n:03}" + "é" * 97) for n in range(60)])
    assert listener.heard() == {""}


def test_the_socket_of_a_dead_worker_is_removed(
    only_sqlite: None, listener: datagrams.DatagramListener
) -> None:
    assert listener.socket is not None
    listener.socket.close()
    listener.socket = None
    assert listener.address.exists()
    dispatch()
    assert not listener.address.exists()


def test_a_closed_listener_leaves_no_socket(
    only_sqlite: None, listener: datagrams.DatagramListener
) -> None:
    assert stat.S_ISSOCK(listener.address.stat().st_mode)
    listener.close()
    assert not listener.address.exists()


def test_a_folder_that_others_may_enter_is_not_used(
    only_sqlite: None, private: Path, elsewhere: Engine
) -> None:
    folder = private / f"django-jobs-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    wary = elsewhere.listen(LISTENER)
    assert wary.fileno() == -1
    dispatch()
    assert wary.heard() == {""}
    assert list(folder.iterdir()) == []
