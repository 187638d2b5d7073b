"""A scene without pytest: a test database made for it, and workers that end with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from jobs.signals import job_dispatched

from ..database import live_environment
from ..worker.conftest import QUICK, WorkerProcess
from .scene import Scene
from .servers import Crash, crashable


@contextmanager
def scene_of_its_own(folder: Path) -> Iterator[tuple[Scene, Crash | None]]:
    """Make a test database and yield a scene on it, and what crashes its server; all are gone afterwards."""
    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    variables = live_environment(connection.settings_dict)
    started: list[WorkerProcess] = []

    def start(*arguments: str, **settings: object) -> WorkerProcess:
        env = {**variables, **QUICK}
        env |= {f"BACKGROUND_JOB_{key}": str(value) for key, value in settings.items()}
        log = folder / f"worker-{len(started)}.log"
        started.append(WorkerProcess(env, log, "runworker", *arguments))
        return started[-1]

    try:
        with crashable(variables) as crash:
            scene = Scene(start, folder, variables)
            job_dispatched.connect(scene.note_dispatched)
            yield scene, crash
    finally:
        for one in started:
            one.stop()
        connection.creation.destroy_test_db(name, verbosity=0)
