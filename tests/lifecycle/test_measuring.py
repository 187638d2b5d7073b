"""What running attempts take is stored by their worker alone, and outlives it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.lifecycle import finishing, leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.measuring import record_measures
from jobs.lifecycle.records import Claim, Measurement
from jobs.models import Attempt, Rollup, Worker
from jobs.states import AttemptStatus

from .acting import begin, claim, claim_new, dispatch, finish, outcome

pytestmark = pytest.mark.django_db

MIB = 2**20
SO_FAR = {
    "memory_limit": None,
    "points": [[1.0, 3 * MIB, 0.5], [2.0, 5 * MIB, 1.0]],
    "now": [2.4, 4 * MIB],
}


def taken(one: Claim, cpu_seconds: float = 1.2) -> Measurement:
    return Measurement(one.attempt_id, cpu_seconds, 5 * MIB, SO_FAR)


def stored() -> tuple[Any, ...]:
    return Attempt.objects.values_list("cpu_seconds", "peak_rss", "samples").get()


def started(engine: Engine, worker: Worker) -> Claim:
    one = claim_new(worker)
    begin(engine, worker, one, engine.now(), 4711)
    return one


def summed() -> tuple[float, int]:
    rows = Rollup.objects.values_list("cpu_seconds", "peak_rss")
    return sum(cpu for cpu, _ in rows), max(peak for _, peak in rows)


def test_what_an_attempt_takes_is_there_while_it_runs(engine: Engine, worker: Worker) -> None:
    one = started(engine, worker)
    record_measures(engine, worker.pk, [taken(one)])
    assert stored() == (1.2, 5 * MIB, SO_FAR)


def test_several_are_stored_at_once(engine: Engine, worker: Worker) -> None:
    for _ in range(3):
        dispatch()
    claims = claim(worker, free=3)
    measures = [taken(one, place) for place, one in enumerate(claims)]
    record_measures(engine, worker.pk, reversed(measures))
    assert set(Attempt.objects.values_list("cpu_seconds", flat=True)) == {0.0, 1.0, 2.0}


def test_another_worker_stores_nothing(
    engine: Engine, worker: Worker, other_worker: Worker
) -> None:
    one = started(engine, worker)
    record_measures(engine, other_worker.pk, [taken(one)])
    assert stored() == (None, None, None)


def test_what_comes_after_the_end_changes_nothing(engine: Engine, worker: Worker) -> None:
    one = started(engine, worker)
    finish(worker, one, AttemptStatus.COMPLETED, peak_rss=9)
    record_measures(engine, worker.pk, [taken(one)])
    assert stored() == (0.5, 9, None)


def test_an_outcome_brings_the_final_figures(engine: Engine, worker: Worker) -> None:
    one = started(engine, worker)
    record_measures(engine, worker.pk, [taken(one)])
    final = {"memory_limit": None, "points": [[1.0, 1, 0.1], [2.0, 2, 0.2], [3.0, 3, 0.3]]}
    finish(worker, one, AttemptStatus.COMPLETED, peak_rss=9 * MIB, samples=final)
    assert stored() == (0.5, 9 * MIB, final)
    assert summed() == (0.5, 9 * MIB)


def test_the_last_that_is_known_stays_where_the_worker_is_lost(
    engine: Engine, worker: Worker
) -> None:
    one = started(engine, worker)
    record_measures(engine, worker.pk, [taken(one)])
    leasing.rescue(engine, worker.pk, gone=True)
    assert stored() == (1.2, 5 * MIB, SO_FAR)
    assert summed() == (1.2, 5 * MIB)


def test_a_worker_that_was_only_late_brings_the_figures_but_is_not_counted_twice(
    engine: Engine, worker: Worker
) -> None:
    one = started(engine, worker)
    record_measures(engine, worker.pk, [taken(one)])
    leasing.rescue(engine, worker.pk, gone=True)
    final = {"memory_limit": None, "points": [[1.0, 1, 0.1], [2.0, 2, 0.2]]}
    late = outcome(one, cpu_seconds=3.0, peak_rss=6 * MIB, samples=final)
    assert finishing.finish(engine, worker.pk, [late]) == [None]
    assert stored() == (3.0, 6 * MIB, final)
    assert summed() == (1.2, 5 * MIB)
