"""Every failed attempt is in one group of like errors, however many messages there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from jobs import error_groups
from jobs.lifecycle import changing, claiming, errors, finishing
from jobs.lifecycle.engines import Engine
from jobs.models import ErrorRollup, Resolution, Worker
from jobs.states import AttemptStatus, Reason
from tests.factories import make_job

from .acting import at_once, claim_new, fail, finish, outcome
from .job_classes import Plain

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def groups() -> dict[tuple[str, str], int]:
    """Return (error, message) → failed attempts."""
    counted: dict[tuple[str, str], int] = {}
    for row in ErrorRollup.objects.filter(resolution__in=error_groups.WHOLE):
        key = (row.error_type, row.message)
        counted[key] = counted.get(key, 0) + row.failures
    return counted


def store(engine: Engine, at: datetime, *messages: str, job_id: int = 1) -> None:
    tally = errors.ErrorTally()
    for message in messages:
        tally.add("shop.Ship", "ValueError", message, job_id, at)
    tally.store(engine)


def merged(engine: Engine) -> None:
    while errors.merge(engine):
        pass


# -- counting --------------------------------------------------------------------------------------


def test_like_failures_are_one_group(worker: Worker) -> None:
    for number in range(3):
        last = claim_new(worker)
        fail(worker, last, error_message=f"order {number} is gone")
    row = ErrorRollup.objects.get()
    assert (row.job_class, row.error_type) == (Plain.job_name, "ValueError")
    assert (row.message, row.failures, row.last_job) == ("order … is gone", 3, last.job_id)
    assert row.first_at < row.last_at


def test_attempts_with_others_left_count_as_the_last_one_does(worker: Worker) -> None:
    fail(worker, claim_new(worker))
    fail(worker, claim_new(worker), final=True)
    assert groups() == {("ValueError", "no such thing"): 2}


@pytest.mark.parametrize(
    "values",
    [
        {"status": AttemptStatus.COMPLETED},
        {"status": AttemptStatus.CANCELLED, "reason": Reason.CANCELLED},
        {"status": AttemptStatus.RELEASED, "reason": Reason.SHUTDOWN},
        {"status": AttemptStatus.RELEASED, "reason": Reason.POSTPONED, "delay": 9},
    ],
)
def test_what_did_not_fail_is_in_no_group(worker: Worker, values: dict[str, Any]) -> None:
    finish(worker, claim_new(worker), **values)
    assert groups() == {}


def test_the_failure_of_a_job_that_is_cancelled_is_in_no_group(worker: Worker) -> None:
    one = claim_new(worker)
    changing.cancel(one.job_id)
    fail(worker, one)
    assert groups() == {}


def test_a_failure_that_comes_too_late_is_not_counted(worker: Worker, engine: Engine) -> None:
    told = outcome(claim_new(worker), AttemptStatus.FAILED)
    for _ in range(2):
        finishing.finish(engine, worker.pk, [told])
    assert groups() == {("ValueError", "no such thing"): 1}


def test_what_is_rolled_back_is_in_no_group(worker: Worker, engine: Engine) -> None:
    told = outcome(claim_new(worker), AttemptStatus.FAILED)
    with transaction.atomic():
        finishing.finish(engine, worker.pk, [told])
        transaction.set_rollback(True)
    assert groups() == {}


def test_a_job_failed_for_want_of_its_class_is_counted(worker: Worker, engine: Engine) -> None:
    make_job(job_class="shop.Gone", unresolved_since=engine.now() - 2 * DAY)
    claiming.claim(engine, worker.pk, ["default"], 1)
    assert groups() == {("UnknownJobClass", "no job class … is registered"): 1}


def test_completed_jobs_cost_no_statement_more(
    worker: Worker, engine: Engine, django_assert_num_queries: Any
) -> None:
    told = [outcome(claim_new(worker)) for _ in range(3)]
    with django_assert_num_queries(0):
        errors.ErrorTally().store(engine)
    finishing.finish(engine, worker.pk, told)
    assert not ErrorRollup.objects.exists()


def test_failures_of_a_batch_are_written_in_one_statement(
    engine: Engine, django_assert_num_queries: Any
) -> None:
    now = engine.now()
    with django_assert_num_queries(2):
        store(engine, now, *["one", "two", "three"] * 5)
    assert set(groups().values()) == {5}


def test_messages_that_never_repeat_fill_a_class_only_so_far(engine: Engine) -> None:
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(errors.GROUPS_PER_CLASS + 30)]
    for start in range(0, len(words), 10):
        store(engine, engine.now(), *words[start : start + 10])
    counted = groups()
    assert counted.pop(("", "")) == 30
    assert len(counted) == errors.GROUPS_PER_CLASS
    store(engine, engine.now(), words[0], words[-1])
    assert groups()["ValueError", words[0]] == 2
    assert groups()["", ""] == 31


# -- merging ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "kept_in"),
    [
        (timedelta(0), {Resolution.WRITER}),
        (HOUR, {Resolution.EVER, Resolution.MINUTE}),
        (5 * HOUR, {Resolution.EVER, Resolution.HOUR}),
        (7 * DAY, {Resolution.EVER, Resolution.HOUR}),
        (10 * DAY, {Resolution.EVER}),
        (100 * DAY, set()),
    ],
)
def test_the_older_a_failure_the_coarser_it_is_kept(
    engine: Engine, age: timedelta, kept_in: set[int]
) -> None:
    store(engine, engine.now() - age, "boom")
    merged(engine)
    assert set(ErrorRollup.objects.values_list("resolution", flat=True)) == kept_in


def test_merging_keeps_count_first_last_and_latest_job(engine: Engine) -> None:
    now = engine.now()
    for age, job_id in ((5 * HOUR, 7), (4 * HOUR, 9), (6 * HOUR, 8)):
        store(engine, now - age, "boom", job_id=job_id)
        merged(engine)
    row = ErrorRollup.objects.get(resolution=Resolution.EVER)
    assert (row.failures, row.last_job) == (3, 9)
    assert (row.first_at, row.last_at) == (now - 6 * HOUR, now - 4 * HOUR)


def test_a_group_that_is_forgotten_makes_room(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "GROUPS_PER_CLASS", 1)
    store(engine, engine.now() - 100 * DAY, "old")
    merged(engine)
    store(engine, engine.now(), "new")
    assert groups() == {("ValueError", "new"): 1}


@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_group_lose_nothing(worker: Worker) -> None:
    claims = [claim_new(worker) for _ in range(12)]

    def write(own: Engine) -> None:
        for _ in range(4):
            told = outcome(claims.pop(), AttemptStatus.FAILED, finished_at=own.now() - HOUR)
            finishing.finish(own, worker.pk, [told])
            errors.merge(own)

    at_once(3, write)
    assert groups() == {("ValueError", "no such thing"): 12}


# -- reading ---------------------------------------------------------------------------------------


def test_windows_count_what_began_in_them(engine: Engine) -> None:
    now = engine.now()
    for age in (timedelta(0), 10 * MINUTE, 3 * HOUR, 2 * DAY, 6 * DAY, 30 * DAY):
        store(engine, now - age, "boom")
    merged(engine)
    (group,) = error_groups.most_frequent(now)
    assert group.windows == {"1h": 2, "24h": 3, "7d": 5}
    assert group.total == 6
    assert sum(group.spark) == 5
    assert (group.first_at, group.last_at) == (now - 30 * DAY, now)


def test_the_most_frequent_of_the_window_come_first(engine: Engine) -> None:
    now = engine.now()
    store(engine, now - 3 * HOUR, "early", "early", "early")
    store(engine, now, "late", "late")

    def first(window: str) -> str:
        return error_groups.most_frequent(now, window=window, limit=1)[0].message

    assert (first("1h"), first("24h"), first("7d")) == ("late", "early", "early")
    assert error_groups.most_frequent(now, job_class="shop.Bill") == []


def test_a_group_is_found_by_its_fingerprint(engine: Engine) -> None:
    store(engine, engine.now(), "boom 1", "other")
    known = ErrorRollup.objects.get(message="boom …").fingerprint
    assert error_groups.named([known, "nothing"]) == {known: ("shop.Ship", "ValueError", "boom …")}
    (group,) = error_groups.most_frequent(engine.now(), fingerprint=known)
    assert group.message == "boom …"


def test_the_failures_of_one_group_are_counted_in_a_window(engine: Engine) -> None:
    now = engine.now()
    store(engine, now, "boom", "other")
    store(engine, now - 5 * HOUR, "boom")
    store(engine, now - 30 * HOUR, "boom")
    known = ErrorRollup.objects.filter(message="boom")[0].fingerprint
    assert error_groups.failures_since(known, now) == 2
    assert error_groups.failures_since(known, now, "1h") == 1
