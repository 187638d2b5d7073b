"""PostgreSQL's notifications: how often it is told of a queue, when, and who hears nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from jobs.lifecycle.engines import Engine, Listener, notifications
from tests.waiting import wait_until

from .acting import LISTENER, at_once, dispatch, heard_before_a_known_end

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("talkative")]


@pytest.fixture
def quiet(only_postgresql: None, talkative: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process tell of each queue once."""
    monkeypatch.setattr(notifications, "QUIET", 600.0)


@pytest.mark.usefixtures("quiet")
def test_for_a_while_postgresql_is_told_of_a_queue_once(listener: Listener) -> None:
    dispatch(queue="mail")
    assert wait_until(listener.heard) == {"mail"}
    dispatch(queue="mail")
    dispatch(queue="slow")
    assert heard_before_a_known_end(listener) == {"slow"}


@pytest.mark.usefixtures("quiet")
def test_only_what_was_committed_counts_as_told(listener: Listener) -> None:
    with transaction.atomic():
        dispatch(queue="mail")
        transaction.set_rollback(True)
    with transaction.atomic():
        dispatch(queue="slow")
        at_once(1, lambda _: dispatch(queue="slow"))
        assert wait_until(listener.heard) == {"slow"}
    dispatch(queue="mail")
    assert heard_before_a_known_end(listener) == {"mail"}


@pytest.mark.usefixtures("quiet")
def test_a_transaction_without_autocommit_is_told_of_each_time(listener: Listener) -> None:
    transaction.set_autocommit(False)
    try:
        for _ in range(2):
            dispatch(queue="mail")
            transaction.rollback()
        dispatch(queue="mail")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert heard_before_a_known_end(listener) == {"mail"}


def test_a_transaction_of_the_callers_notifies_after_its_end(only_postgresql: None) -> None:
    """Those that notify commit one after the other, each with its own wait for the disk."""
    with CaptureQueriesContext(connection) as asked:
        with transaction.atomic():
            dispatch(queue="mail")
        dispatch(queue="mail")
    statements = [one["sql"].strip() for one in asked]
    inserts = [sql for sql in statements if sql.startswith("INSERT")]
    assert ["CASE WHEN true" in sql for sql in inserts] == [False, True]
    assert "pg_notify" in statements[statements.index("COMMIT") + 1]


def test_a_cut_connection_is_an_error_of_the_database(
    only_postgresql: None, heard_of: None, elsewhere: Engine, engine: Engine
) -> None:
    listener = elsewhere.listen(LISTENER)
    [(pid,)] = elsewhere.rows("SELECT pg_backend_pid()", [])
    engine.rows("SELECT pg_terminate_backend(%s)", [pid])

    def is_cut() -> bool:
        try:
            listener.heard()
        except OperationalError:
            return True
        return False

    wait_until(is_cut)
    listener.close()
    assert listener.fileno() == -1


def test_a_worker_told_not_to_listen_hears_nothing(
    only_postgresql: None, elsewhere: Engine, settings: Any
) -> None:
    settings.BACKGROUND_JOB_LISTEN = False
    silent = elsewhere.listen(LISTENER)
    dispatch()
    assert silent.heard() == set()
    assert silent.fileno() == -1
