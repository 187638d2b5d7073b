"""Fault 38: classes that are gone, renamed, abstract or cannot be imported once their jobs are to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.models import Job
from jobs.states import JobStatus

from ..waiting import wait_until
from ..worker.conftest import add_app, terminate
from .conftest import Figure
from .scene import Scene

pytestmark = pytest.mark.usefixtures("live_database")
NAME = "changingapp.Changes"
GONE = f"no job class {NAME!r} is registered"
WORKS = "from tests.faults.fault_jobs import Works\nclass Changes(Works): ...\n"
BROKEN = {
    "renamed": (WORKS.replace("Changes", "Renamed"), GONE),
    "deleted": ("", GONE),
    "abstract": (WORKS.replace("...", "abstract = True"), GONE),
    "import raises": (
        "raise RuntimeError('not today')\n" + WORKS,
        f"{GONE}; changingapp.jobs cannot be imported: RuntimeError: not today",
    ),
    "syntax error": (
        WORKS + "def (\n",
        f"{GONE}; changingapp.jobs cannot be imported: SyntaxError: ",
    ),
}
"""What has become of a module → its source, and how the reason begins that its jobs give."""
READY = """
import os, sys
from django.apps import AppConfig

class Changing(AppConfig):
    name = "changingapp"

    def ready(self):
        if os.environ["RAISE_IN"] in sys.argv and os.path.exists(os.environ["RAISE"]):
            raise RuntimeError("not today")
"""


@pytest.fixture
def app(database_env: dict[str, str], tmp_path: Path) -> Path:
    """An app of its own, which workers have from now on."""
    database_env["PYTHONDONTWRITEBYTECODE"] = "1"  # A module changes within the second.
    return add_app(tmp_path, "changingapp", {"jobs.py": WORKS}, database_env)


@pytest.mark.parametrize(
    "how",
    # Why a class is not there makes no difference to the database.
    [pytest.param(how, marks=() if how == "deleted" else pytest.mark.once) for how in BROKEN],
)
def test_38_a_class_that_changed_after_dispatch_stops_no_other_and_comes_back(
    app: Path, scene: Scene, figure: Figure, how: str
) -> None:
    source, reason = BROKEN[how]
    (app / "jobs.py").write_text(source)
    jobs = scene.dispatch(3)
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(job_class=NAME, priority=10)
    others = scene.dispatch(10)
    scene.unfinished = {job.pk for job in jobs}
    worker = scene.ready()
    assert {job.status for job in scene.finish(*others)} == {JobStatus.COMPLETED}
    waiting = Job.objects.filter(pk__in=scene.unfinished)
    wait_until(lambda: not waiting.filter(unresolved_since=None).exists(), message=worker.output)
    assert set(waiting.values_list("status", "attempts_spent")) == {(JobStatus.SCHEDULED, 0)}
    assert all(job.error_message.startswith(reason) for job in waiting), waiting[0].error_message

    (app / "jobs.py").write_text(WORKS)
    terminate(worker)
    scene.unfinished = set()
    scene.ready()
    for job in jobs:
        assert job.cancel()
        assert job.retry()
    done = scene.finish(*jobs)
    assert {(job.status, job.attempts_spent) for job in done} == {(JobStatus.COMPLETED, 1)}
    figure(f"{how}: others 10/10, attempts spent 0, 3/3 run once the class is back")


@pytest.mark.once
@pytest.mark.parametrize("where", ["child", "runworker"])
def test_38_an_app_whose_ready_raises_costs_no_job_an_attempt(
    app: Path, database_env: dict[str, str], scene: Scene, figure: Figure, where: str
) -> None:
    """In a worker's new job processes, or in the worker itself; a worker of before goes on."""
    (app / "apps.py").write_text(READY)
    database_env |= {"RAISE_IN": where, "RAISE": str(app / "raise")}
    scene.ready(1, "--queues", "elsewhere")
    (app / "raise").touch()
    jobs = scene.dispatch(3)
    other = scene.works().dispatch(queue="elsewhere")
    broken = scene.worker(START_METHOD="exec")
    broken.may_fail = True
    if where == "child":
        wait_until(lambda: "child_did_not_boot" in broken.output(), 60.0, broken.output)
    else:
        assert broken.ended(60.0) == 1
    assert "RuntimeError: not today" in broken.output()
    assert scene.finish(other)[0].status == JobStatus.COMPLETED
    found = Job.objects.filter(pk__in=[job.pk for job in jobs])
    assert set(found.values_list("attempts_spent", "interruptions")) == {(0, 0)}
    (app / "raise").unlink()
    if where == "runworker":
        scene.ready()
    done = scene.finish(*jobs)
    assert {(job.status, job.attempts_spent) for job in done} == {(JobStatus.COMPLETED, 1)}
    figure(f"in {where}: a worker of before goes on, attempts spent 0, 3/3 run once it is mended")
