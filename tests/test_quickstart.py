"""The demo: everything in one terminal, ended by one Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management.base import CommandError

from jobs.models import Job
from jobs.states import JobStatus
from jobsystem.management.commands import quickstart
from jobsystem.samples import dispatch_samples

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
Wait = Callable[..., Any]


class Demo:
    """A running `manage.py quickstart`."""

    def __init__(self, environment: dict[str, str], output: Path, *arguments: str) -> None:
        self.output = output
        with output.open("wb") as stream:
            self.process = psutil.Popen(
                [sys.executable, "manage.py", "quickstart", "--concurrency=1", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def address(self) -> str | None:
        found = re.search(r"Dashboard +(\S+)", self.text)
        return found and found[1]

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return int(self.process.wait(40))


@pytest.fixture
def start(
    database_env: dict[str, str], tmp_path: Path, wait_until: Wait
) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(*arguments: str) -> Demo:
        demo = Demo(database_env, tmp_path / f"output-{len(demos)}", *arguments)
        demos.append(demo)
        wait_until(lambda: demo.address or demo.process.poll(), message=lambda: demo.text)
        return demo

    yield start
    for demo in demos:
        with suppress(psutil.NoSuchProcess):
            demo.process.kill()


def test_the_demo_serves_runs_and_ends_without_a_trace(
    start: Callable[..., Demo], wait_until: Wait
) -> None:
    demo = start()
    assert demo.address is not None
    with urllib.request.urlopen(demo.address) as page:
        assert "/login/" in page.url
        sheet = re.search(r'href="(/static/jobs/[^"]+\.css)"', page.read().decode())
    assert sheet is not None
    with urllib.request.urlopen(demo.address.rstrip("/") + sheet[1]) as style:
        assert style.status == 200
    completed = Job.objects.filter(job_class="jobsystem.ImportContacts", status=JobStatus.COMPLETED)
    wait_until(completed.exists, message=lambda: demo.text)
    started = demo.process.children(recursive=True)
    assert demo.end() == 0, demo.text
    assert "Traceback" not in demo.text.split("Ending;")[1]
    wait_until(lambda: not any(process.is_running() for process in started))


def test_the_password_of_the_new_user_is_shown_once(start: Callable[..., Demo]) -> None:
    demo = start()
    shown = re.search(r"Password +(\S+) +\(shown this once\)", demo.text)
    demo.end()
    assert shown is not None
    assert User.objects.get(username="admin").check_password(shown[1])


def test_a_second_start_adds_neither_user_nor_jobs(start: Callable[..., Demo]) -> None:
    User.objects.create_superuser("root")
    dispatch_samples()
    before = Job.objects.count()
    demo = start()
    demo.end()
    assert re.search(r"User +root\n +Password +as it was first shown", demo.text)
    assert Job.objects.count() == before
    assert get_user_model().objects.count() == 1


def test_samples_are_dispatched_again_when_asked_for(start: Callable[..., Demo]) -> None:
    dispatch_samples()
    before = Job.objects.count()
    start("--samples").end()
    assert Job.objects.count() == 2 * before


def test_a_termination_ends_it_as_an_interrupt_does(start: Callable[..., Demo]) -> None:
    assert start().end(signal.SIGTERM) == 0


def test_a_port_in_use_is_refused_by_name() -> None:
    with socket.create_server((quickstart.HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} is in use"):
            quickstart.open_port(port)


def test_another_port_is_picked_when_none_is_named_and_8000_is_in_use() -> None:
    with quickstart.open_port(None) as one, quickstart.open_port(None) as other:
        assert other.getsockname()[1] not in (8000, one.getsockname()[1])
