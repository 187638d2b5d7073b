"""Fault 43: jobs dispatched in transactions that are rolled back, nested, of a request, or of another database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from jobs.models import Job
from jobs.states import JobStatus

from ..test_routing import Manage, manage, migrated, rows
from .conftest import Figure
from .fault_jobs import Works
from .scene import Scene

__all__ = ["manage", "migrated"]


@pytest.mark.usefixtures("live_database")
def test_43_what_is_rolled_back_was_never_dispatched(scene: Scene, figure: Figure) -> None:
    scene.ready()
    kept = []
    for _ in range(10):
        with transaction.atomic():
            scene.dispatch(2)
            transaction.set_rollback(True)
        with transaction.atomic():
            kept += scene.dispatch(1)
            with transaction.atomic():
                scene.dispatch(1)
                transaction.set_rollback(True)
            kept += scene.dispatch(1)
    done = scene.finish(*kept)
    assert {job.status for job in done} == {JobStatus.COMPLETED}
    started = {one.job for one in scene.effects("start")}
    assert started == {job.pk for job in kept}
    figure(f"dispatched {len(kept)}, ghosts 0, missing 0")


def dispatching(request: HttpRequest) -> HttpResponse:
    """Dispatch one job, and end as the request says."""
    Works(folder=request.GET["folder"]).dispatch()
    if request.GET["then"] == "raise":
        raise RuntimeError("after the dispatch")
    if request.GET["then"] == "roll back":
        transaction.set_rollback(True)
    return HttpResponse("dispatched")


urlpatterns = [path("dispatching/", dispatching)]


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("live_database")
def test_43_a_request_in_one_transaction_dispatches_when_it_succeeds(
    scene: Scene, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    scene.ready()
    client = Client(raise_request_exception=False)
    statuses = []
    for then in ["return", "raise", "roll back"] * 3:
        query: dict[str, Any] = {"folder": str(scene.folder), "then": then}
        statuses.append(client.get("/dispatching/", query).status_code)
    assert statuses == [200, 500, 200] * 3
    assert Job.objects.count() == 3
    assert {job.status for job in scene.finish(*Job.objects.all())} == {JobStatus.COMPLETED}
    assert {one.job for one in scene.effects("start")} == scene.dispatched
    figure("ATOMIC_REQUESTS: requests that returned 3/3, ghosts of those that did not 0")


IN_A_TRANSACTION = """
from django.db import transaction
from jobsystem.jobs import Reminder
with transaction.atomic(using={alias!r}):
    Reminder(text={alias!r}).dispatch(queue="reports")
    transaction.set_rollback(True, using={alias!r})
"""


@pytest.mark.once
def test_43_a_dispatch_to_another_database_is_of_that_ones_transaction(
    manage: Manage,
    tmp_path: Path,
    figure: Figure,
) -> None:
    for alias in ("bulk", "default"):
        manage("shell", "-c", IN_A_TRANSACTION.format(alias=alias))
    sql = "SELECT json_extract(arguments, '$.text') FROM jobs_job"
    assert rows(tmp_path / "bulk.sqlite3", sql) == ["default"]
    assert rows(tmp_path / "main.sqlite3", sql) == []
    figure("rolled back with its own database's transaction, not with another's")
