"""Probes over HTTP: open to anybody, short, and right about what is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import Error
from django.test import Client
from django.utils import timezone

from jobs.models import Worker
from tests.factories import make_worker


def test_a_process_lives_whatever_the_database_says(db: None, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


def test_it_is_ready_where_a_worker_lives(db: None) -> None:
    assert Client().get("/health/ready").json()["checks"] == {"database": True, "worker": False}
    worker = make_worker()
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    gone = timezone.now() - timedelta(minutes=5)
    Worker.objects.filter(pk=worker.pk).update(lease_expires_at=gone)
    assert Client().get("/health/ready").status_code == 503


def test_without_a_database_nothing_is_ready_and_nothing_is_told(db: None, monkeypatch) -> None:
    def away(*_: object) -> None:
        raise Error("the password of the database is hush")

    monkeypatch.setattr("jobs.health.engine_for", away)
    answer = Client().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "checks": {"database": False, "worker": False}}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_probe_only_asks(method, path, db: None) -> None:
    assert Client().generic(method, path).status_code == 405
