"""A paused queue keeps its due jobs until somebody, or its end time, resumes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from jobs.lifecycle import pausing
from jobs.lifecycle.engines import Engine
from jobs.models import AuditEntry, Queue
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_a_queue_is_paused_once_with_who_why_and_since_when(engine: Engine) -> None:
    ana, bo = make_user(username="ana"), make_user(username="bo")
    before = engine.now()
    assert pausing.pause("mail", "the provider is down", by=ana)
    assert not pausing.pause("mail", "me too", by=bo)
    queue = Queue.objects.get(name="mail")
    assert (queue.paused_by, queue.pause_reason) == ("ana", "the provider is down")
    assert queue.paused_at is not None
    assert queue.paused_at >= before
    assert queue.is_paused()
    assert pausing.paused_queues(engine) == {"mail"}


def test_a_queue_is_resumed_once(engine: Engine) -> None:
    pausing.pause("mail")
    assert pausing.resume("mail")
    assert not pausing.resume("mail")
    assert pausing.paused_queues(engine) == frozenset()
    assert Queue.objects.get().paused_at is None


def test_a_pause_ends_by_itself_when_its_time_has_come(engine: Engine) -> None:
    assert pausing.pause("mail", until=engine.now() + timedelta(hours=1))
    assert pausing.paused_queues(engine) == {"mail"}
    Queue.objects.update(paused_until=engine.now() - timedelta(seconds=1))
    assert pausing.paused_queues(engine) == frozenset()
    assert not Queue.objects.get().is_paused()
    assert not pausing.resume("mail")
    assert pausing.pause("mail", "again")


def test_a_pause_that_would_be_over_already_is_refused(engine: Engine) -> None:
    assert not pausing.pause("mail", until=engine.now() - timedelta(seconds=1))
    assert not AuditEntry.objects.exists()


def test_both_are_recorded_with_the_queue_and_the_user() -> None:
    ana = make_user(username="ana")
    pausing.pause("mail", "why", by=ana)
    pausing.pause("mail", "why")
    pausing.resume("mail", by=ana)
    entries = AuditEntry.objects.order_by("id").values_list("action", "subject", "detail")
    assert list(entries) == [("pause", "mail", "why"), ("resume", "mail", "")]
    assert set(AuditEntry.objects.values_list("actor_name", flat=True)) == {"ana"}


def test_the_database_refuses_an_end_without_a_pause(engine: Engine) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Queue.objects.create(name="mail", paused_until=engine.now())
