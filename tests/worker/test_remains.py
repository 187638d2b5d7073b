"""What a launcher is found by after its supervisor has died."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from jobs.worker.processes import LINUX, birth_mark, is_gone
from jobs.worker.remains import end_remains, hold_name

from ..waiting import wait_until

pytestmark = pytest.mark.skipif(not LINUX, reason="names without files are Linux's")

HOLDS = """
import os, sys
from jobs.worker.remains import hold_name
held = hold_name("here", int(sys.argv[1]))
print("held" if held else "refused", flush=True)
sys.stdin.read()
"""


def holder(supervisor: int) -> subprocess.Popen[str]:
    """Start a process that takes the name of the launcher of `supervisor`."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(supervisor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def held() -> Iterator[subprocess.Popen[str]]:
    process = holder(os.getpid())
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate()


def mine() -> float:
    mark = birth_mark(os.getpid())
    assert mark is not None
    return mark


def test_who_holds_the_name_of_a_supervisor_is_ended(held: subprocess.Popen[str]) -> None:
    assert end_remains("here", os.getpid(), mine())
    assert held.wait() == -9


def test_another_life_of_the_same_pid_has_another_name(held: subprocess.Popen[str]) -> None:
    assert end_remains("here", os.getpid(), mine() + 1)
    assert held.poll() is None


def test_another_process_namespace_has_another_name(held: subprocess.Popen[str]) -> None:
    assert end_remains("there", os.getpid(), mine())
    assert held.poll() is None


def test_a_name_is_held_once(held: subprocess.Popen[str]) -> None:
    assert hold_name("here", os.getpid()) is None


def test_a_supervisor_that_is_gone_has_no_name() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert hold_name("here", gone.pid) is None


def test_a_process_whose_parent_does_not_ask_for_its_end_is_gone() -> None:
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    mark = birth_mark(process.pid)
    assert mark is not None
    assert not is_gone(process.pid, mark)
    process.kill()
    wait_until(lambda: is_gone(process.pid, mark), message="a zombie counts as gone")
    process.communicate()
