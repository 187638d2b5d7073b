"""When a worker looks for jobs, and what a look that found nothing says."""

from __future__ import annotations

import pytest

from jobs.worker.appetite import Appetite
from jobs.worker.quickness import Quickness


@pytest.fixture
def appetite() -> Appetite:
    return Appetite(concurrency=2, claim_ahead=64, quickness=Quickness())


def test_a_look_that_finds_less_than_was_wanted_has_seen_all_that_is_due(
    appetite: Appetite,
) -> None:
    appetite.found(1, wanted=2)
    assert not appetite.may_be_due


def test_a_look_for_quick_jobs_alone_says_nothing_of_the_others(appetite: Appetite) -> None:
    appetite.held = {1, 2}
    appetite.found(0, wanted=0)
    appetite.finished(1)
    assert appetite.may_be_due


def test_nothing_is_wanted_while_no_process_could_run_it(appetite: Appetite) -> None:
    appetite.enable(False)
    assert appetite.wants() == (0, 0)
    appetite.enable(True)
    assert appetite.wants() == (2, 0)


def test_who_has_processes_again_looks_for_what_became_due_meanwhile(appetite: Appetite) -> None:
    appetite.found(0, wanted=2)
    appetite.enable(True)
    assert appetite.may_be_due


def test_the_end_of_a_job_is_no_sign_that_others_are_due(appetite: Appetite) -> None:
    appetite.held = {1, 2}
    appetite.found(0, wanted=1)
    appetite.finished(1)
    assert not appetite.may_be_due
