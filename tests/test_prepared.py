"""Commands that are copied from a prepared process are as those with an interpreter of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection

from jobs.models import Worker

from .database import live_environment
from .prepared import Copy, Process, start
from .waiting import wait_until

pytestmark = pytest.mark.once
Start = Callable[..., Process]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def command(database_env: dict[str, str], log: Path) -> Iterator[Start]:
    """Start a command that has these variables besides the usual ones."""
    started: list[Process] = []

    def run(*command: str, **variables: str) -> Process:
        usual = live_environment(connection.settings_dict)
        started.append(start(command, database_env | variables, log, usual))
        return started[-1]

    yield run
    for one in started:
        one.kill()
        one.wait()


def test_a_copy_has_the_arguments_and_the_output_of_its_command(command: Start, log: Path) -> None:
    process = command("runworker", "--concurrency", "none")
    assert isinstance(process, Copy)
    assert process.wait() == 2
    assert "manage.py runworker: error: argument --concurrency" in log.read_text()


def test_a_copy_reads_its_own_variables_of_the_settings(command: Start, log: Path) -> None:
    assert command("runworker", "--burst", BACKGROUND_JOB_LEASE="long").wait() == 1
    assert "BACKGROUND_JOB_LEASE is 'long'" in log.read_text()
    assert command("runworker", "--burst").wait() == 0
    assert "BACKGROUND_JOB_LEASE" not in log.read_text()


def test_a_copy_is_a_worker_as_one_that_is_started_anew(command: Start, log: Path) -> None:
    """It forks its launcher, which it can do only while it has one thread and no connection."""
    described = []
    for variables in ({}, {"ANY": "other"}):
        process = command("runworker", "--concurrency", "1", **variables)
        wait_until(Worker.objects.filter(pid=process.pid).first)
        seen = psutil.Process(process.pid)
        (launcher,) = seen.children()
        assert launcher.cmdline() == seen.cmdline()
        assert os.getpgid(process.pid) == process.pid
        described.append((seen.cwd(), seen.num_threads(), seen.nice(), seen.username()))
        process.terminate()
        assert process.wait() == 0
    assert described[0] == described[1]


def test_the_signal_that_ended_a_copy_is_told_as_of_any_process(command: Start) -> None:
    process = command("runworker", "--concurrency", "1")
    assert process.poll() is None
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert process.returncode == process.poll() == -signal.SIGKILL


def test_what_is_read_while_importing_takes_a_new_interpreter(command: Start, log: Path) -> None:
    process = command("runworker", "--burst", DJANGO_SETTINGS_MODULE="not.there")
    assert isinstance(process, subprocess.Popen)
    assert process.wait() == 1
    assert "No module named 'not'" in log.read_text()
    assert settings.SETTINGS_MODULE != "not.there"
