from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.lifecycle import finishing
from jobs.lifecycle.engines import Engine
from jobs.models import Job, Worker

from .acting import claim_new, outcome, stored
from .job_classes import Plain, WaitsAsItSays, WaitsLonger, WaitsTen

pytestmark = pytest.mark.django_db


@pytest.fixture
def seconds_after(worker: Worker, engine: Engine) -> Any:
    """Return a function that fails a job and returns the seconds until it is tried again."""

    def measure(job_class: str, spent: int = 0, **how: Any) -> float:
        one = claim_new(worker, job_class=job_class, max_attempts=10)
        Job.objects.filter(id=one.job_id).update(attempts_spent=spent)
        told = outcome(one, "failed", **how)
        finishing.finish(engine, worker.pk, [told])
        waits: timedelta = stored(one.job_id).run_at - told.finished_at
        return waits.total_seconds()

    return measure


def test_a_class_that_says_nothing_waits_as_the_setting_says(
    seconds_after: Any, settings: Any
) -> None:
    assert seconds_after(Plain.job_name) == 60
    settings.BACKGROUND_JOB_RETRY_DELAY = [3, 4]
    assert [seconds_after(Plain.job_name, spent) for spent in (0, 1, 2)] == [3, 4, 4]


def test_a_number_is_waited_every_time(seconds_after: Any) -> None:
    assert [seconds_after(WaitsTen.job_name, spent) for spent in (0, 4)] == [10, 10]


def test_a_list_is_gone_through_and_its_last_repeats(seconds_after: Any) -> None:
    assert [seconds_after(WaitsLonger.job_name, spent) for spent in range(5)] == [1, 5, 30, 30, 30]


def test_the_value_of_a_method_is_waited(seconds_after: Any) -> None:
    assert seconds_after(WaitsAsItSays.job_name, delay=7.25) == 7.25


def test_a_delay_of_nothing_is_waited_too(seconds_after: Any) -> None:
    assert seconds_after(WaitsTen.job_name, delay=0.0) == 0


def test_the_setting_holds_where_the_method_could_not_be_asked(seconds_after: Any) -> None:
    assert seconds_after(WaitsAsItSays.job_name) == 60


def test_the_setting_holds_where_the_class_is_gone(seconds_after: Any) -> None:
    assert seconds_after("shop.RemovedMeanwhile") == 60


def test_jobs_that_fail_together_wait_for_different_times(
    seconds_after: Any, settings: Any
) -> None:
    settings.BACKGROUND_JOB_RETRY_JITTER = 0.5
    waits = {seconds_after(WaitsTen.job_name) for _ in range(20)}
    assert all(10 <= seconds < 15 for seconds in waits)
    assert len(waits) > 1
    assert seconds_after(WaitsAsItSays.job_name, delay=7.25) == 7.25
