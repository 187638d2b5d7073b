"""Workers in containers that share one database: what a pid means in one it does not in another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.models import Attempt, Worker
from jobs.states import AttemptStatus, WorkerStatus

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import QUICK, ROOT, lines_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.usefixtures("live_database"),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None,
        reason="namespaces of processes want root, and util-linux",
    ),
]
MOUNTED = "--mount-proc"
Contain = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def contain(database_env: dict[str, str], tmp_path: Path) -> Iterator[Contain]:
    """Start workers as the first processes of namespaces of their own."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        inside = ["unshare", "--pid", "--fork", "--kill-child", *options]
        command = [sys.executable, "manage.py", "runworker", "--concurrency", "1"]
        with (tmp_path / f"contained-{len(started)}.log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [*inside, *command],
                    cwd=ROOT,
                    env={**database_env, **QUICK},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def test_workers_in_containers_take_each_other_for_alive(contain: Contain, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        sample.Sleeps(log=str(log), seconds=600).dispatch()
        contain(MOUNTED)
    lines_of(log, 2, 60.0)
    assert set(Worker.objects.values_list("pid", flat=True)) == {1}
    assert Worker.objects.values("host_id").distinct().count() == 2
    contain(MOUNTED)  # A third one, which begins by looking for what others have left.
    wait_until(lambda: Worker.objects.count() == 3, 60.0, "the third is there")
    for _ in range(12):  # More beats than a lease lasts, and at each the others are looked at.
        beats = set(Worker.objects.values_list("beat_at", flat=True))
        wait_until(
            lambda known=beats: not known & set(Worker.objects.values_list("beat_at", flat=True)),  # type: ignore[misc]
            message="all beat",
        )
    assert set(Worker.objects.values_list("status", flat=True)) == {WorkerStatus.RUNNING}
    assert Attempt.objects.filter(status=AttemptStatus.RUNNING).count() == 2
    assert len(log.read_text().splitlines()) == 2


def test_a_worker_that_cannot_see_its_own_processes_does_not_start(
    contain: Contain, tmp_path: Path
) -> None:
    process = contain()
    assert process.wait(60.0) == 1
    assert "/proc" in (tmp_path / "contained-0.log").read_text()
    assert not Worker.objects.exists()
