"""The processes that run jobs: reused while they are clean, replaced when they are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from jobs.states import JobStatus
from jobs.worker.processes import LINUX

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from ..waiting import DEADLINE, wait_until
from .conftest import StartWorker, finished, is_gone

pytestmark = pytest.mark.usefixtures("live_database")
Burst = Callable[..., object]


def processes_of(path: Path) -> list[str]:
    return [line.split()[1] for line in path.read_text().splitlines()]


@pytest.mark.once
def test_a_clean_process_runs_the_next_job_too(burst: Burst, tmp_path: Path) -> None:
    log = tmp_path / "log"
    sample.Notes.dispatch_many(sample.Notes(log=str(log)) for _ in range(10))
    burst("--concurrency", "1")
    assert len(set(processes_of(log))) == 1


@pytest.mark.once
def test_a_process_is_replaced_after_its_number_of_jobs(burst: Burst, tmp_path: Path) -> None:
    log = tmp_path / "log"
    sample.Notes.dispatch_many(sample.Notes(log=str(log)) for _ in range(10))
    burst("--concurrency", "1", JOBS_PER_PROCESS=4)
    processes = processes_of(log)
    assert [processes.count(pid) for pid in dict.fromkeys(processes)] == [4, 4, 2]


@pytest.mark.once
def test_fresh_isolation_gives_each_job_a_new_process(burst: Burst, tmp_path: Path) -> None:
    log = tmp_path / "log"
    sample.Notes.dispatch_many(sample.Notes(log=str(log)) for _ in range(6))
    burst(ISOLATION="fresh")
    assert len(set(processes_of(log))) == 6


@pytest.mark.once
def test_a_class_may_ask_for_fresh_processes_by_itself(burst: Burst, tmp_path: Path) -> None:
    warm, fresh = tmp_path / "warm", tmp_path / "fresh"
    for _ in range(3):
        sample.Notes(log=str(warm)).dispatch()
        sample.NotesFresh(log=str(fresh)).dispatch()
    burst("--concurrency", "1")
    assert len(set(processes_of(fresh))) == 3
    assert not set(processes_of(fresh)) & set(processes_of(warm))


LEFT = ("directory", "environment", "umask", "signal", "process", "thread", "stdout")


@pytest.mark.parametrize(
    "what",
    [
        *(pytest.param(what, marks=pytest.mark.once) for what in LEFT),
        "transaction",
        pytest.param(
            "mark",
            marks=[pytest.mark.once, pytest.mark.skipif(not LINUX, reason="there are none")],
        ),
    ],
)
def test_a_process_left_otherwise_than_found_is_replaced(worker: StartWorker, what: str) -> None:
    first = unruly.LeavesBehind(what=what).dispatch()
    worker("--concurrency", "1")
    finished(first)
    second = unruly.LeavesBehind(what="nothing").dispatch()
    assert finished(second).status == JobStatus.COMPLETED
    assert first.result != second.result
    process = int(first.result or 0)
    wait_until(lambda: is_gone(process), DEADLINE, f"process {process} still runs")


@pytest.mark.once
def test_a_process_left_clean_is_not_replaced(worker: StartWorker) -> None:
    first = unruly.LeavesBehind(what="nothing").dispatch()
    worker("--concurrency", "1")
    finished(first)
    second = unruly.LeavesBehind(what="nothing").dispatch()
    assert finished(second).result == first.result


def test_a_job_finds_a_new_database_session(burst: Burst) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no sessions with settings")
    first, second = sample.WritesToSession().dispatch(), sample.WritesToSession().dispatch()
    burst("--concurrency", "1")
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.result == second.result
    assert "12345" not in str(second.result)


def test_processes_may_start_as_new_interpreters(burst: Burst, tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = sample.Notes(log=str(log)).dispatch()
    burst("--concurrency", "1", START_METHOD="exec")
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


@pytest.mark.once
def test_jobs_run_side_by_side(worker: StartWorker, tmp_path: Path) -> None:
    jobs = [sample.Sleeps(log=str(tmp_path / "log")).dispatch() for _ in range(2)]
    worker("--concurrency", "2")
    wait_until(
        lambda: sum(job.attempts.filter(started_at__isnull=False).count() for job in jobs) == 2,
        message="both run",
    )


def test_nothing_waits_behind_a_slow_job_while_a_process_is_idle(
    worker: StartWorker, tmp_path: Path
) -> None:
    log = str(tmp_path / "log")
    quick = [sample.Notes(log=log).dispatch() for _ in range(40)]
    worker("--concurrency", "2")
    finished(quick[-1])
    slow = sample.Notes(log=log, seconds=30.0)
    mixed = [sample.Notes(log=log) for _ in range(40)]
    mixed.insert(1, slow)
    jobs = sample.Notes.dispatch_many(mixed)
    rest = [job for place, job in enumerate(jobs) if place != 1]
    wait_until(
        lambda: all(finished(job, 15.0).is_finished for job in rest), message="the quick ones"
    )
    jobs[1].refresh_from_db()
    assert jobs[1].status == JobStatus.RUNNING


def test_what_waits_behind_slow_jobs_is_given_back_unspent(
    worker: StartWorker, tmp_path: Path
) -> None:
    log = str(tmp_path / "log")
    quick = sample.Notes.dispatch_many(sample.Notes(log=log) for _ in range(20))
    worker("--concurrency", "1")
    finished(quick[-1])
    slow = [sample.Notes(log=log, seconds=60.0), *(sample.Notes(log=log) for _ in range(10))]
    first, *waiting = sample.Notes.dispatch_many(slow)

    def all_queued() -> bool:
        first.refresh_from_db()
        states = {type(job).objects.get(pk=job.pk).status for job in waiting}
        return first.status == JobStatus.RUNNING and states == {JobStatus.QUEUED}

    wait_until(all_queued, message="the others are queued again")
    assert not any(job.attempts.exists() for job in waiting)
