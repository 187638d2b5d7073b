"""Real workers, as processes of their own on the test's database."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.db import OperationalError, connection

from jobs.models import Attempt, Job
from jobs.worker.processes import children

from .. import prepared
from ..database import live_environment
from ..waiting import DEADLINE, wait_until

ROOT = prepared.ROOT
QUICK = {
    "BACKGROUND_JOB_RETRY_DELAY": "0",
    "BACKGROUND_JOB_KILL_GRACE": "1",
    "BACKGROUND_JOB_DRAIN_TIMEOUT": "20",
    "BACKGROUND_JOB_BEAT": "0.5",
    "BACKGROUND_JOB_LEASE": "5",
}


class WorkerProcess:
    """A `manage.py` command that runs jobs, and what it has written."""

    def __init__(self, env: dict[str, str], log: Path, *command: str) -> None:
        self.log = log
        self.may_fail = "execute" in command
        """Whether a traceback in what it writes is in order."""
        self.process = prepared.start(command, env, log, live_environment(connection.settings_dict))
        self.pid = self.process.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, deadline: float = 30.0) -> int:
        """Wait until it has ended, and return its exit code."""
        wait_until(lambda: self.process.poll() is not None, deadline, self.output)
        return self.process.wait()

    def tree(self) -> list[psutil.Process]:
        """Return its descendants."""
        return psutil.Process(self.pid).children(recursive=True)

    def stop(self) -> None:
        """End it and all below it; for the end of a test, whatever state it is in."""
        if self.process.poll() is None:
            below = self.tree()
            self.process.kill()
            self.process.wait()
            # Its launcher ends the rest, with what has been started meanwhile, and then itself.
            # Nobody waits until whoever inherits them has asked for their status: that may take seconds.
            with suppress(AssertionError):
                wait_until(lambda: all(is_gone(one.pid) for one in below), 5.0)
            for one in below:
                if not is_gone(one.pid):
                    with suppress(psutil.NoSuchProcess):
                        one.kill()


StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def command(database_env: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """Start a `manage.py` command; `settings` are BACKGROUND_JOB_ variables without that prefix."""
    started: list[WorkerProcess] = []

    def start(*command: str, **settings: object) -> WorkerProcess:
        env = {**database_env, **QUICK}
        env |= {f"BACKGROUND_JOB_{name}": str(value) for name, value in settings.items()}
        log = tmp_path / f"command-{len(started)}.log"
        started.append(WorkerProcess(env, log, *command))
        return started[-1]

    yield start
    for one in started:
        one.stop()
    for one in started:
        if not one.may_fail and "Traceback" in one.output():
            pytest.fail(f"{one.process.args!r} printed a traceback:\n{one.output()}")


@pytest.fixture
def worker(command: StartWorker) -> StartWorker:
    """Start a worker; arguments as for `command`."""

    def start(*arguments: str, **settings: object) -> WorkerProcess:
        return command("runworker", "--concurrency", "2", *arguments, **settings)

    return start


@pytest.fixture
def burst(worker: StartWorker) -> Callable[..., WorkerProcess]:
    """Run a worker until nothing is due, and see that it ends in order."""

    def run(*arguments: str, **settings: object) -> WorkerProcess:
        # Whether nothing is due is decided when a round of duties has found nothing.
        process = worker("--burst", *arguments, **{"POLL_INTERVAL": 0.2} | settings)
        assert process.ended(60.0) == 0, process.output()
        return process

    return run


@pytest.fixture
def extra_app(database_env: dict[str, str], tmp_path: Path) -> Callable[[str], None]:
    """Have the commands of a test use one more app, with this `apps.py`."""

    def add(text: str) -> None:
        add_app(tmp_path, "extraapp", {"apps.py": text}, database_env)

    return add


def add_app(folder: Path, name: str, files: dict[str, str], env: dict[str, str]) -> Path:
    """Write an app with these files below `folder`, for commands started with `env`; return its folder."""
    package = folder / name
    package.mkdir()
    for file, text in {"__init__.py": "", **files}.items():
        (package / file).write_text(text)
    (folder / f"{name}_settings.py").write_text(
        f"from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, '{name}']\n"
    )
    env |= {"DJANGO_SETTINGS_MODULE": f"{name}_settings", "PYTHONPATH": str(folder)}
    return package


def launcher_of(process: WorkerProcess) -> int:
    """Return the pid of a worker's launcher. Raises ValueError while there is none."""
    (launcher,) = children(process.pid)
    return launcher


def finished(job: Job, deadline: float = DEADLINE) -> Job:
    """Wait until a job has reached a final state, and return it."""

    def look() -> bool:
        job.refresh_from_db()
        return job.is_finished

    wait_until(look, deadline, lambda: f"job {job.pk} is still {job.status}")
    return job


def only_attempt(job: Job) -> Attempt:
    return Attempt.objects.get(job=job)


def lines_of(path: Path, count: int, deadline: float = DEADLINE) -> list[str]:
    """Wait until a job has noted so many lines, and return them."""

    def look() -> bool:
        return path.exists() and len(path.read_text().splitlines()) >= count

    wait_until(look, deadline, f"{count} lines in {path}")
    return path.read_text().splitlines()


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def pid_in(line: str) -> int:
    return int(line.split()[-1])


def terminate(process: WorkerProcess) -> None:
    process.send(signal.SIGTERM)
    assert process.ended() == 0, process.output()


def end_other_connections() -> int:
    """Have a server end every connection to the test's database but ours; return how many there were."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return len(cursor.fetchall())
        cursor.execute(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = database() AND id <> connection_id()"
        )
        found = cursor.fetchall()
        for (number,) in found:
            with suppress(OperationalError):  # It has just ended by itself.
                cursor.execute("KILL %s", [number])
        return len(found)
