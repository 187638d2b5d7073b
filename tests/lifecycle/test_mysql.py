"""What only MySQL and MariaDB need: counting the rows they read, for their plans say little."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobs.lifecycle import dispatching
from jobs.lifecycle.engines import Engine
from jobs.models import Job, Worker
from jobs.states import JobStatus

from .acting import QUEUES, spec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_mysql")]


@pytest.fixture
def backlog(engine: Engine) -> None:
    """Many finished jobs, fewer that are due in two queues, and some for later."""
    dispatching.dispatch([spec(priority=n % 5, queue=f"q{n % 2}") for n in range(4000)])
    first = Job.objects.order_by("id").values_list("id", flat=True)[0]
    done = Job.objects.filter(id__gte=first + 1000)
    done.update(status=JobStatus.COMPLETED, finished_at=engine.now())
    dispatching.dispatch([spec(delay=60 + n) for n in range(1000)])


@pytest.fixture
def rows_read(engine: Engine, backlog: None) -> Callable[[Callable[[], object]], int]:
    """Return how many rows the server read, from indexes and tables, while it did something."""

    def total() -> int:
        status = engine.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'", [])
        return sum(int(count) for _, count in status)

    def count(act: Callable[[], object]) -> int:
        total()  # What this statement reads itself is in every later answer.
        before = total()
        own = total() - before
        before = total()
        act()
        return total() - before - own

    return count


def test_a_claim_reads_as_many_jobs_as_it_takes(
    engine: Engine, worker: Worker, rows_read: Callable[[Callable[[], object]], int]
) -> None:
    assert rows_read(lambda: engine.claim(worker.pk, ["q0", "q1"], 10, 0, ())) < 200


def test_the_next_due_time_is_one_row_of_an_index(
    engine: Engine, rows_read: Callable[[Callable[[], object]], int]
) -> None:
    assert rows_read(engine.next_due) < 20


def test_promotion_reads_as_many_jobs_as_it_queues(
    engine: Engine, rows_read: Callable[[Callable[[], object]], int]
) -> None:
    waiting = Job.objects.filter(status=JobStatus.SCHEDULED)
    due = list(waiting.order_by("run_at").values_list("id", flat=True)[:30])
    Job.objects.filter(id__in=due).update(run_at=engine.now() - timedelta(seconds=1))
    assert rows_read(lambda: engine.promote(10)) < 200
    assert waiting.count() == 990


def test_due_queues_are_found_by_one_jump_for_each(
    engine: Engine, rows_read: Callable[[Callable[[], object]], int]
) -> None:
    assert rows_read(engine.due_queues) < 20
    assert engine.due_queues() == ["q0", "q1"]


def test_nobody_is_told_of_anything(engine: Engine) -> None:
    listener = engine.listen("0" * 32)
    engine.notify(QUEUES)
    assert (listener.fileno(), listener.heard(), listener.has_news()) == (-1, set(), False)
    listener.close()
