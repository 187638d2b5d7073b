from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.lifecycle import changing, claiming
from jobs.lifecycle.engines import Engine
from jobs.models import Attempt, Job, Worker
from jobs.states import AttemptStatus, JobStatus

from .acting import claim, dispatch, finish, stored
from .job_classes import Plain

pytestmark = pytest.mark.django_db
GONE = "shop.RemovedLastWeek"


def test_a_job_of_an_unknown_class_waits_and_says_why(worker: Worker, engine: Engine) -> None:
    job = dispatch(job_class=GONE)
    assert claim(worker) == []
    job.refresh_from_db()
    assert job.status == JobStatus.SCHEDULED
    assert job.run_at > engine.now() + timedelta(seconds=claiming.UNRESOLVED_PAUSE - 10)
    assert job.unresolved_since is not None
    assert job.error_type == "UnknownJobClass"
    assert job.error_message == f"no job class {GONE!r} is registered"


def test_it_spends_no_attempt_and_leaves_none(worker: Worker) -> None:
    job = dispatch(job_class=GONE)
    claim(worker)
    job.refresh_from_db()
    assert (job.attempts_spent, job.attempts_made, job.interruptions) == (0, 0, 0)
    assert not Attempt.objects.exists()


def test_it_is_unresolved_since_it_was_first_met(worker: Worker, engine: Engine) -> None:
    job = dispatch(job_class=GONE)
    claim(worker)
    first = stored(job.pk).unresolved_since
    claiming.promote_one(engine, job.pk)
    claim(worker)
    assert stored(job.pk).unresolved_since == first


def test_it_fails_when_its_time_is_up(worker: Worker, engine: Engine, settings: Any) -> None:
    settings.BACKGROUND_JOB_UNRESOLVED_TIMEOUT = 100
    job, younger = dispatch(job_class=GONE), dispatch(job_class=GONE)
    for one, age in ((job, 101), (younger, 99)):
        since = engine.now() - timedelta(seconds=age)
        Job.objects.filter(id=one.pk).update(unresolved_since=since)
    claim(worker, free=2)
    job.refresh_from_db()
    assert (job.status, job.attempts_spent, job.attempts_made) == (JobStatus.FAILED, 0, 0)
    assert job.finished_at is not None
    assert job.error_message == f"no job class {GONE!r} is registered, nor was one within 100 s"
    assert stored(younger.pk).status == JobStatus.SCHEDULED


def test_a_retry_gives_it_its_whole_time_again(worker: Worker, settings: Any) -> None:
    settings.BACKGROUND_JOB_UNRESOLVED_TIMEOUT = 0
    job = dispatch(job_class=GONE)
    claim(worker)
    assert changing.retry(job.pk)
    assert stored(job.pk).unresolved_since is None


def test_it_stops_nobody_else(worker: Worker) -> None:
    dispatch(job_class=GONE, priority=100)
    job = dispatch()
    assert [one.job_id for one in claim(worker)] == [job.pk]


def test_a_crowd_of_them_stops_nobody_else(worker: Worker) -> None:
    for n in range(60):
        dispatch(job_class=f"shop.Gone{n % 3}", priority=100)
    job = dispatch()
    assert [one.job_id for one in claim(worker)] == [job.pk]
    assert Job.objects.filter(status=JobStatus.SCHEDULED).count() == 60


def test_filling_up_claims_no_more_than_asked(worker: Worker) -> None:
    for n in range(12):
        dispatch(job_class=GONE if n % 3 == 0 else Plain.job_name)
    quick = [Plain.job_name]
    assert len(claim(worker, free=2, ahead=3, quick=quick)) == 5
    assert Job.objects.filter(status=JobStatus.RUNNING).count() == 5


def test_the_clock_starts_anew_once_the_class_was_known(worker: Worker, engine: Engine) -> None:
    job = dispatch()
    since = engine.now() - timedelta(days=9)
    Job.objects.filter(id=job.pk).update(unresolved_since=since)
    [one] = claim(worker)
    finish(worker, one, AttemptStatus.FAILED)
    assert stored(job.pk).unresolved_since is None
