"""Faults 39, 40 and 42: arguments, results and exceptions that are not what they should be."""

from __future__ import annotations

import pytest
from django.db import transaction

from jobs.exceptions import InvalidArguments
from jobs.models import Attempt, Job
from jobs.states import JobStatus, Reason

from .conftest import Figure
from .scene import Scene
from .value_jobs import BAD_VALUES, ODD, SECRET, Gives, RaisesOddly, Takes

FIT_NO_MORE: list[object] = [{"folder": "x", "more": 1}, {}, {"folder": 7}, [], "nonsense"]
pytestmark = pytest.mark.usefixtures("live_database")
SAID = {
    "unspeakable": "<its __str__ raised RuntimeError>",
    "100 MB": "… [cut: 104792164 characters] …",
    "NUL and surrogates": "a\ufffdb",
    "password of a URL": "no answer from postgres://jobs:••••••••@db.example/jobs",
    "circle": "one",
    "chain": "number 1999",
}
"""How → what is to be read of its message."""
LONGEST_TEXT = 64 * 1024
"""Characters."""


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
        assert SAID.get(how, "") in attempt.error_message, how
        kept = attempt.error_message + attempt.traceback + attempt.job.error_message
        assert SECRET not in kept, how
        longest = max(longest, len(attempt.error_message), len(attempt.traceback))
    assert longest <= LONGEST_TEXT
    assert worker.process.poll() is None
    figure(f"{len(jobs)}/{len(ODD)} recorded, longest text {longest:,} characters")
