"""Faults 38 to 40, 42 and 43: classes, arguments, results and exceptions that are not what they should be."""

from __future__ import annotations

import pytest
from django.db import transaction

from jobs.exceptions import InvalidArguments
from jobs.models import Attempt, Job
from jobs.states import JobStatus, Reason

from ..waiting import wait_until
from .conftest import Figure
from .scene import Scene
from .value_jobs import BAD_VALUES, ODD, Gives, RaisesOddly, Takes

FIT_NO_MORE: list[object] = [{"folder": "x", "more": 1}, {}, {"folder": 7}, [], "nonsense"]
pytestmark = pytest.mark.usefixtures("live_database")
LONGEST_TEXT = 64 * 1024 + 100
"""Characters, with the words that say how much was cut."""


def test_38_a_class_that_is_gone_waits_for_its_return(scene: Scene, figure: Figure) -> None:
    gone = scene.dispatch(3)
    Job.objects.filter(pk__in=[job.pk for job in gone]).update(job_class="tests.Gone", priority=10)
    others = scene.dispatch(20)
    scene.unfinished = {job.pk for job in gone}
    scene.ready()
    assert {job.status for job in scene.finish(*others)} == {JobStatus.COMPLETED}
    unresolved = Job.objects.filter(pk__in=scene.unfinished)
    wait_until(lambda: not unresolved.filter(unresolved_since=None).exists(), message="seen")
    assert set(unresolved.values_list("status", "attempts_spent")) == {(JobStatus.SCHEDULED, 0)}
    assert {job.error_message for job in unresolved} == {"no job class 'tests.Gone' is registered"}
    unresolved.update(job_class="tests.Works")
    scene.unfinished = set()
    for job in gone:
        assert job.cancel()
        job.refresh_from_db()
        assert job.retry()
    assert {job.status for job in scene.finish(*gone)} == {JobStatus.COMPLETED}
    figure("others completed 20/20, attempts spent 0, all run once the class is back")


def test_39_what_cannot_be_stored_is_refused_at_dispatch(scene: Scene, figure: Figure) -> None:
    texts = set()
    with transaction.atomic():
        for name, make in BAD_VALUES.items():
            with pytest.raises(InvalidArguments) as raised:
                Takes(value=make()).dispatch()
            texts.add(f"{name}: {raised.value}"[:200])
        kept = Takes(value="the transaction goes on").dispatch()
    assert Job.objects.get(job_class="tests.Takes").pk == kept.pk
    assert all("tests.Takes" in text for text in texts)
    figure(f"{len(texts)}/{len(BAD_VALUES)} refused, the transaction goes on")


def test_39_results_that_cannot_be_stored_fail_their_job_once(scene: Scene, figure: Figure) -> None:
    scene.ready(4)
    jobs = [Gives(folder=str(scene.folder), name=name).dispatch() for name in BAD_VALUES]
    scene.finish(*jobs)
    found = Attempt.objects.filter(job__in=jobs)
    assert set(found.values_list("reason", "error_type")) == {(Reason.RESULT, "ResultNotStorable")}
    assert found.count() == len(jobs)
    figure(f"{found.count()}/{len(BAD_VALUES)} results refused, each in one attempt")


def test_40_arguments_that_fit_no_more_fail_their_job_once(scene: Scene, figure: Figure) -> None:
    jobs = scene.dispatch(len(FIT_NO_MORE))
    for job, stored in zip(jobs, FIT_NO_MORE, strict=True):
        Job.objects.filter(pk=job.pk).update(arguments=stored)
    scene.ready()
    for job in scene.finish(*jobs):
        attempt = Attempt.objects.get(job=job)
        assert (job.status, attempt.reason) == (JobStatus.FAILED, Reason.ARGUMENTS)
        assert attempt.error_type == "InvalidArguments"
    figure(f"{len(jobs)}/{len(FIT_NO_MORE)} failed once, with the name of the field")


def test_42_exceptions_that_misbehave_are_recorded_all_the_same(
    scene: Scene, figure: Figure
) -> None:
    worker = scene.ready(2)
    jobs = {how: RaisesOddly(folder=str(scene.folder), how=how).dispatch() for how in ODD}
    scene.finish(*jobs.values())
    longest = 0
    for how, job in jobs.items():
        attempt = Attempt.objects.get(job=job)
        assert (attempt.job.status, attempt.reason) == (JobStatus.FAILED, Reason.EXCEPTION), how
        assert attempt.error_type, how
        longest = max(longest, len(attempt.error_message), len(attempt.traceback))
    assert longest <= LONGEST_TEXT
    assert worker.process.poll() is None
    figure(f"{len(jobs)}/{len(ODD)} recorded, longest text {longest:,} characters")


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
