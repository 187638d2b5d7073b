"""What a process reported before it ended counts, however its end is noticed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import transaction

from jobs.models import Job
from jobs.states import JobStatus

from ..waiting import wait_until
from .conftest import StartWorker, finished, is_gone, launcher_of, lines_of, pid_in
from .schedule_jobs import ReturnsMuch
from .stubborn_jobs import FailsWhenTold

pytestmark = pytest.mark.usefixtures("live_database")


@contextmanager
def held(job: Job) -> Iterator[None]:
    """Keep everybody from recording anything of a job."""
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(priority=job.priority)
        yield


def test_a_launcher_lost_while_a_failure_is_being_recorded_costs_neither_worker_nor_hook(
    worker: StartWorker, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    job = FailsWhenTold(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    lines_of(log, 1)
    with held(job):
        go.touch()
        wait_until(lambda: "attempt_failed" in process.output(), message=process.output)
        os.kill(launcher_of(process), signal.SIGKILL)
        wait_until(lambda: "launcher_lost" in process.output(), message=process.output)
    assert finished(job).status == JobStatus.FAILED
    assert lines_of(log, 2)[1] == "failed"
    assert process.process.poll() is None


def test_a_long_result_counts_where_it_is_read_after_its_process_has_ended(
    worker: StartWorker, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    job = ReturnsMuch(log=str(log), go=str(go)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    (started,) = lines_of(log, 1)
    process.send(signal.SIGSTOP)
    go.touch()
    wait_until(lambda: is_gone(pid_in(started)), message="reported and left")
    process.send(signal.SIGCONT)
    assert finished(job).status == JobStatus.COMPLETED
