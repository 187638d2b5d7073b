"""A child runs the code of others: whatever it writes into its channel costs no other job anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.models import Attempt, Job
from jobs.states import AttemptStatus, JobStatus, Reason
from jobs.worker.processes import LINUX, resident

from .. import sample_jobs as sample
from .conftest import StartWorker, WorkerProcess, finished, lines_of, only_attempt, pid_in
from .forging_jobs import ClosesChannel, Forges, TalksForEver

pytestmark = [
    pytest.mark.once,
    pytest.mark.usefixtures("live_database"),
    pytest.mark.skipif(not LINUX, reason="a job finds its descriptors in /proc"),
]
MIB = 1024 * 1024
REFUSED = (
    *("garbage", "not UTF-8", "too deep", "huge length", "half", "empty", "unknown kind"),
    *("status", "reason", "running", "lost worker", "shutdown"),
    *("seconds", "negative", "memory", "level"),
)
IGNORED = ("of another", "ready again", "progress", "levels")


@pytest.fixture
def process(worker: StartWorker) -> WorkerProcess:
    return worker("--concurrency", "2", LEASE=60)


@pytest.fixture
def bystander(process: WorkerProcess, tmp_path: Path) -> Job:
    """A job that runs beside the others."""
    job = sample.Sleeps(log=str(tmp_path / "bystander"), seconds=600).dispatch()
    lines_of(tmp_path / "bystander", 1)
    return job


def assert_unharmed(process: WorkerProcess, bystander: Job) -> None:
    assert process.process.poll() is None, process.output()
    attempt = only_attempt(bystander)
    assert attempt.status == AttemptStatus.RUNNING, (attempt.reason, process.output())
    assert finished(sample.Returns().dispatch()).status == JobStatus.COMPLETED
    bystander.cancel()
    assert finished(bystander).status == JobStatus.CANCELLED


def test_what_no_child_would_say_ends_the_one_that_says_it(
    process: WorkerProcess, bystander: Job
) -> None:
    for what in REFUSED:
        job = finished(Forges(what=what, seconds=0 if what == "half" else 60).dispatch())
        found = (job.status, only_attempt(job).reason)
        assert found == (JobStatus.FAILED, Reason.BROKEN), (what, process.output())
    assert_unharmed(process, bystander)


def test_what_a_child_says_of_others_or_too_often_is_ignored(
    process: WorkerProcess, bystander: Job, tmp_path: Path
) -> None:
    (line,) = lines_of(tmp_path / "bystander", 1)
    other = only_attempt(bystander).pk
    for what in IGNORED:
        job = finished(Forges(what=what, other=other, pid=pid_in(line)).dispatch())
        assert (job.status, job.result) == (JobStatus.COMPLETED, "honest"), what
    assert_unharmed(process, bystander)


def test_a_message_without_an_end_takes_no_memory(process: WorkerProcess, bystander: Job) -> None:
    finished(sample.Returns().dispatch())
    before = resident(process.pid)
    job = finished(TalksForEver().dispatch())
    assert only_attempt(job).reason == Reason.BROKEN
    assert resident(process.pid) - before < 64 * MIB
    assert_unharmed(process, bystander)


def test_a_result_that_is_no_json_fails_its_job_alone(
    process: WorkerProcess, bystander: Job
) -> None:
    job = finished(Forges(what="unstorable").dispatch())
    assert (job.status, only_attempt(job).reason) == (JobStatus.FAILED, Reason.RESULT)
    assert_unharmed(process, bystander)


def test_a_child_that_has_closed_its_channel_is_missed_when_it_ends(
    process: WorkerProcess, bystander: Job
) -> None:
    job = finished(ClosesChannel().dispatch())
    assert (job.status, only_attempt(job).reason) == (JobStatus.FAILED, Reason.EXITED)
    assert_unharmed(process, bystander)


@pytest.mark.parametrize("what", ["done", "done twice"])
def test_a_job_that_goes_on_after_its_end_keeps_no_other_from_running(
    worker: StartWorker, what: str
) -> None:
    process = worker("--concurrency", "1", LEASE=60, BOOT_TIMEOUT=4)
    job = finished(Forges(what=what, seconds=600).dispatch())
    assert (job.status, job.result) == (JobStatus.COMPLETED, "forged")
    after = finished(sample.Returns().dispatch(), 60.0)
    assert (after.status, after.attempts_spent, after.attempts.count()) == ("completed", 1, 1)
    assert not Attempt.objects.filter(status=AttemptStatus.RUNNING).exists()
    assert process.process.poll() is None
