"""Launchers that come late, go too soon, or are not left as they should be."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from jobs.models import Worker
from jobs.states import JobStatus

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import StartWorker, finished, is_gone, launcher_of, lines_of, pid_in
from .schedule_jobs import SESSION, TellsSession

pytestmark = pytest.mark.usefixtures("live_database")
ExtraApp = Callable[[str], None]

QUERYING_APP = """
import warnings
from django.apps import AppConfig
from django.db import connection

class Querying(AppConfig):
    name = "extraapp"

    def ready(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Django's own, of just this.
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
"""


def test_processes_share_no_session_that_an_app_has_opened_while_the_project_was_set_up(
    worker: StartWorker, extra_app: ExtraApp, tmp_path: Path
) -> None:
    if connection.vendor not in SESSION:
        pytest.skip("SQLite has no sessions")
    extra_app(QUERYING_APP)
    jobs = [TellsSession(log=str(tmp_path / "log")).dispatch() for _ in range(2)]
    worker("--concurrency", "2", LEASE=60)
    assert [finished(job).status for job in jobs] == [JobStatus.COMPLETED] * 2
    assert len({job.result for job in jobs}) == 2


BROKEN_APP = """
import os
from django.apps import AppConfig

class Broken(AppConfig):
    name = "extraapp"

    def ready(self):
        if os.path.exists(os.environ["BROKEN"]):
            raise SystemExit(1)
"""


@pytest.mark.once
def test_launchers_that_cannot_start_are_tried_less_and_less_often(
    worker: StartWorker, database_env: dict[str, str], extra_app: ExtraApp, tmp_path: Path
) -> None:
    extra_app(BROKEN_APP)
    broken = tmp_path / "broken"
    database_env["BROKEN"] = str(broken)
    process = worker("--concurrency", "1", LEASE=60)
    finished(sample.Returns().dispatch())
    broken.touch()
    os.kill(launcher_of(process), signal.SIGKILL)

    def pauses() -> list[float]:
        return [float(one) for one in re.findall(r"next_try=([\d.]+)", process.output())]

    wait_until(lambda: len(pauses()) >= 4, 60.0, process.output)
    broken.unlink()
    assert finished(sample.Returns().dispatch(), 60.0).status == JobStatus.COMPLETED
    assert pauses()[:4] == [0.1, 0.2, 0.4, 0.8]
    assert process.output().count("launcher_lost") == 1
    assert process.process.poll() is None


CRASHING_APP = """
import os
from django.apps import AppConfig

class Crashing(AppConfig):
    name = "extraapp"

    def ready(self):
        from jobs.worker import launching
        from jobs.worker.supervisor import Supervisor

        turn = Supervisor.turn

        def crash_when_told(self):
            turn(self)
            if os.path.exists(os.environ["CRASH"]):
                raise SystemExit(3)

        Supervisor.turn = crash_when_told
        launching.PATIENCE = 1.0
"""


def test_a_worker_that_crashes_ends_its_lease_after_its_jobs(
    worker: StartWorker, database_env: dict[str, str], extra_app: ExtraApp, tmp_path: Path
) -> None:
    extra_app(CRASHING_APP)
    log, crash = tmp_path / "log", tmp_path / "crash"
    database_env["CRASH"] = str(crash)
    sample.Sleeps(log=str(log)).dispatch()
    process = worker("--concurrency", "1", LEASE=60)
    (started,) = lines_of(log, 1)
    os.kill(launcher_of(process), signal.SIGSTOP)  # It takes its time to end the job.
    before = Worker.objects.get().lease_expires_at
    crash.touch()
    wait_until(lambda: Worker.objects.get().lease_expires_at < before, message=process.output)
    assert is_gone(pid_in(started)), "another worker may run its job again by now"
    assert process.ended() == 3
