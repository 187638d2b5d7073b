"""`manage.py prunejobs`: what it deletes, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete
from django.utils import timezone

from jobs.lifecycle import retention
from jobs.models import Job
from jobs.states import JobStatus, WorkerStatus

from .factories import make_job, make_worker

pytestmark = pytest.mark.django_db

Prune = Callable[..., str]


@pytest.fixture
def prune(capsys: pytest.CaptureFixture[str]) -> Prune:
    """Run the command and return what it printed."""

    def run(*arguments: str) -> str:
        call_command("prunejobs", *arguments)
        return capsys.readouterr().out

    return run


def ended(status: str, days: float) -> Job:
    at = timezone.now() - timedelta(days=days)
    return make_job(status, created_at=at, run_at=at, started_at=at, finished_at=at)


def kept() -> list[int]:
    return list(Job.objects.order_by("id").values_list("id", flat=True))


def test_what_is_older_than_the_settings_say_is_deleted(prune: Prune) -> None:
    for status, days in (("completed", 15), ("completed", 13), ("failed", 91), ("cancelled", 92)):
        ended(status, days)
    make_worker(WorkerStatus.LOST, stopped_at=timezone.now() - timedelta(days=200))
    assert prune().splitlines() == [
        "Jobs completed more than 14 days ago: 1 deleted.",
        "Jobs failed or cancelled more than 90 days ago: 2 deleted.",
        "Workers of which nothing is left: 1 deleted.",
    ]
    assert Job.objects.get().status == JobStatus.COMPLETED


def test_options_stand_before_the_settings(prune: Prune) -> None:
    ended("completed", 2)
    failed = ended("failed", 2)
    told = prune("--completed-before", "1.5")
    assert "Jobs completed more than 1.5 days ago: 1 deleted." in told
    assert kept() == [failed.pk]
    assert "more than 1 days ago: 1 deleted." in prune("--failed-before=1")
    assert kept() == []


def test_it_takes_as_many_batches_as_it_needs(
    prune: Prune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNED_AT_ONCE", 2)
    for _ in range(5):
        ended("completed", 20)
    assert "5 deleted" in prune()


def test_a_dry_run_deletes_nothing_and_says_what_would_go(prune: Prune) -> None:
    jobs = [ended("completed", 20), ended("cancelled", 100)]
    make_worker(WorkerStatus.LOST, stopped_at=timezone.now() - timedelta(days=200))
    assert prune("--dry-run").splitlines() == [
        "Jobs completed more than 14 days ago: 1 would be deleted.",
        "Jobs failed or cancelled more than 90 days ago: 1 would be deleted.",
    ]
    assert kept() == [job.pk for job in jobs]


def test_what_is_kept_for_ever_is_said_to_be(prune: Prune, settings: Any) -> None:
    settings.BACKGROUND_JOB_KEEP_COMPLETED = 0
    settings.BACKGROUND_JOB_KEEP_FAILED = None
    ended("completed", 4000)
    ended("failed", 4000)
    assert prune().splitlines() == [
        "Completed jobs are kept for ever, as the settings say.",
        "Failed or cancelled jobs are kept for ever, as the settings say.",
    ]
    assert len(kept()) == 2


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "", "40000"])
@pytest.mark.parametrize("option", ["--completed-before", "--failed-before"])
def test_what_is_no_number_of_days_is_refused(prune: Prune, option: str, text: str) -> None:
    job = ended("completed", 4000)
    with pytest.raises(CommandError, match=f"argument {option}: {text!r} is not a number of days"):
        prune(f"{option}={text}")
    assert kept() == [job.pk]


@pytest.mark.django_db(transaction=True)
def test_a_job_the_project_protects_is_named_as_the_reason_to_stop(prune: Prune) -> None:
    job = ended("completed", 20)

    def protect(instance: Job, **_: Any) -> None:
        raise ProtectedError("an invoice refers to it", {instance})

    pre_delete.connect(protect, sender=Job)
    try:
        with pytest.raises(
            CommandError, match=r"^0 jobs were deleted; .*: an invoice refers to it$"
        ):
            prune()
    finally:
        pre_delete.disconnect(protect, sender=Job)
    assert kept() == [job.pk]
