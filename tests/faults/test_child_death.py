"""Faults 8 to 10 and 12: processes of jobs that stop, die, take too much, or never start."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from jobs.models import Attempt
from jobs.states import JobStatus, Reason
from jobs.worker.processes import boottime

from .. import sample_jobs as sample
from .. import unruly_jobs as unruly
from ..waiting import DEADLINE, wait_until
from ..worker.conftest import add_app
from .conftest import Figure
from .fault_jobs import Dies, Stalls, TakesGigabyte
from .scale import scaled
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")

ENDS = {
    "killed": (Reason.SIGNAL, "SIGKILL"),
    "segfault": (Reason.SIGNAL, "SIGSEGV"),
    "abort": (Reason.SIGNAL, "SIGABRT"),
    "exit 0": (Reason.EXITED, "exited with code 0 before handle() returned"),
    "exit 3": (Reason.EXITED, "exited with code 3"),
    "sys.exit": (Reason.EXCEPTION, "3"),
}
"""How a process ends → the reason of its attempt, and what its message says."""


def test_08_a_stopped_job_is_ended_by_its_timeout(scene: Scene, figure: Figure) -> None:
    grace = 1
    worker = scene.ready(KILL_GRACE=grace)
    job = Stalls(folder=str(scene.folder)).dispatch()
    (started,) = scene.started([job])
    os.kill(started.pid, signal.SIGSTOP)
    (job,) = scene.finish(job)
    took = boottime() - started.at
    assert Attempt.objects.get(job=job).reason == Reason.TIMEOUT
    assert worker.process.poll() is None
    assert took <= Stalls.timeout + grace + 1
    figure(f"timeout {Stalls.timeout:g} s, grace {grace} s: ended after {took:.1f} s")


def test_09_every_way_to_die_is_told_by_its_reason(scene: Scene, figure: Figure) -> None:
    scene.ready()
    jobs = {how: Dies(folder=str(scene.folder), how=how).dispatch() for how in ENDS}
    scene.finish(*jobs.values())
    right = 0
    for how, (reason, text) in ENDS.items():
        attempt = Attempt.objects.get(job=jobs[how])
        assert (attempt.job.status, attempt.reason) == (JobStatus.FAILED, reason), how
        assert text in attempt.error_message, how
        right += 1
    figure(f"{right}/{len(ENDS)} right reasons")


def test_10_a_job_over_its_memory_limit_is_ended_alone(scene: Scene, figure: Figure) -> None:
    worker = scene.ready()
    job = unruly.Grows().dispatch()
    (job,) = scene.finish(job)
    attempt = Attempt.objects.get(job=job)
    assert (attempt.job.status, attempt.reason) == (JobStatus.FAILED, Reason.MEMORY)
    assert worker.process.poll() is None
    assert attempt.started_at
    assert attempt.finished_at
    took = (attempt.finished_at - attempt.started_at).total_seconds()
    peak = (attempt.peak_rss or 0) / sample.MIB
    figure(f"limit 200 MiB, peak {peak:.0f} MiB, ended {took:.2f} s after its start, restarts 0")


def cgroup_with_limit(limit: int) -> Path:
    """Return a new control group that may take `limit` bytes, or skip the test."""
    for root, name in (
        (Path("/sys/fs/cgroup"), "memory.max"),
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    ):
        group = root / f"jobs-fault-{os.getpid()}"
        try:
            (root / "cgroup.procs").read_text()  # Else it is a folder like any other.
            group.mkdir()
            (group / name).write_text(str(limit))
        except OSError:
            continue
        return group
    pytest.skip("no control group for memory can be made here")


def test_10_the_kernel_out_of_memory_ends_the_job_not_its_worker(
    scene: Scene, figure: Figure
) -> None:
    group = cgroup_with_limit(400 * sample.MIB)
    try:
        worker = scene.ready(1)
        for pid in (worker.pid, *(one.pid for one in worker.tree())):
            (group / "cgroup.procs").write_text(str(pid))
        job = TakesGigabyte(folder=str(scene.folder)).dispatch()
        (job,) = scene.finish(job)
        attempt = Attempt.objects.get(job=job)
        assert attempt.reason == Reason.SIGNAL
        assert "out of memory" in attempt.error_message
        assert kills_by_memory(group) >= 1
        assert worker.process.poll() is None
        figure(f"limit 400 MiB: {attempt.error_message!r}; worker restarts 0")
        worker.stop()
    finally:
        wait_until(lambda: removed(group), message="the group is empty")


def kills_by_memory(group: Path) -> int:
    """Return how many processes of a group the kernel has killed for want of memory."""
    for name in ("memory.events", "memory.oom_control"):
        if (group / name).exists():
            lines = (group / name).read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    raise AssertionError(f"{group} tells of no kills")


def removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


def test_12_a_process_that_stalls_while_it_starts_is_ended(
    scene: Scene, database_env: dict[str, str], figure: Figure, tmp_path: Path
) -> None:
    patience = scaled(60, 2)
    kept = dict(database_env)
    add_app(tmp_path, "stallingapp", {"apps.py": STALLING_APP}, database_env)
    database_env["STALL"] = str(tmp_path / "stall")
    (tmp_path / "stall").touch()
    worker = scene.worker(
        "--concurrency", "1", START_METHOD="exec", BOOT_TIMEOUT=patience, LEASE=600
    )
    database_env.update(kept)
    wait_until(lambda: "worker_registered" in worker.output(), DEADLINE, worker.output)
    began = time.monotonic()
    wait_until(lambda: "child_did_not_boot" in worker.output(), patience + 20.0, worker.output)
    took = time.monotonic() - began
    (tmp_path / "stall").unlink()
    scene.finish(*scene.dispatch(1))
    figure(f"freed after {took:.1f} s of {patience} s")


STALLING_APP = """
import os, sys, time
from django.apps import AppConfig

class Stalling(AppConfig):
    name = "stallingapp"

    def ready(self):
        while "child" in sys.argv and os.path.exists(os.environ["STALL"]):
            time.sleep(0.1)
"""
