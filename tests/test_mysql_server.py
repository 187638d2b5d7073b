"""The tests on MySQL are left out only where no server answers, and never without a word."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .mysql import SKIP

ROOT = Path(__file__).parents[1]
GREETING = b"\x05\x00\x00\x00\x0a8.0."


@pytest.fixture
def server() -> Iterator[Callable[[bytes], str]]:
    """Say something to whoever connects; give the URL to connect to."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer(greeting: bytes) -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(greeting)

        def start(greeting: bytes) -> str:
            threading.Thread(target=answer, args=(greeting,), daemon=True).start()
            return f"mysql://x@127.0.0.1:{listening.getsockname()[1]}/x"

        yield start


def ask(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.mysql"],
        cwd=ROOT,
        env={**os.environ, "REQUIRE_MYSQL": "", **environment, "TEST_MYSQL_URL": url},
        capture_output=True,
        text=True,
    )


def test_a_server_that_greets_is_tested_on(server: Callable[[bytes], str]) -> None:
    assert ask(server(GREETING)).returncode == 0


def test_a_server_nobody_finds_is_a_skip_with_its_reason() -> None:
    done = ask("mysql://x@127.0.0.1:9/x")
    assert done.returncode == SKIP
    assert "Tests on MySQL SKIPPED: nobody answers at 127.0.0.1:9" in done.stderr


def test_something_else_that_answers_is_a_skip_too(server: Callable[[bytes], str]) -> None:
    done = ask(server(b"SSH-2.0-OpenSSH\r\n"))
    assert done.returncode == SKIP
    assert "is no MySQL server" in done.stderr


def test_a_server_that_is_required_is_never_skipped() -> None:
    done = ask("mysql://x@127.0.0.1:9/x", REQUIRE_MYSQL="1")
    assert done.returncode == 1
    assert "required, but nobody answers" in done.stderr
