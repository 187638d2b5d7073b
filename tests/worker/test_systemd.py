"""What a worker tells systemd, on a real datagram socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from jobs.models import Worker
from jobs.worker.systemd import Notifier

from ..pgbouncer import not_through_it
from .conftest import StartWorker

UNREACHABLE = "postgresql://nobody@127.0.0.1:1/none"


class Manager:
    """The end of systemd: a bound socket, and what arrived there."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def next(self, seconds: float = 20.0) -> str:
        self.socket.settimeout(seconds)
        return self.socket.recv(4096).decode()

    def falls_silent(self) -> bool:
        """Wait out what was still on its way; return whether nothing came for four intervals."""
        try:
            for _ in range(4):
                self.next(2.0)
        except TimeoutError:
            return True
        return False

    def all_that_came(self) -> list[str]:
        """Return what has arrived already."""
        self.socket.setblocking(False)
        found: list[str] = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture
def manager(tmp_path: Path, database_env: dict[str, str]) -> Iterator[Manager]:
    """Listens as systemd would to workers started after this, with a watchdog of two seconds."""
    address = str(tmp_path / "notify")
    manager = Manager(address)
    database_env |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
    yield manager
    manager.socket.close()


def test_a_worker_says_when_it_is_ready_that_it_lives_and_when_it_stops(
    manager: Manager, worker: StartWorker
) -> None:
    process = worker()
    heard = []
    while "READY=1" not in heard:
        heard.append(manager.next())
    assert Worker.objects.count() == 1
    assert [manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert [one for one in manager.all_that_came() if one != "WATCHDOG=1"] == ["STOPPING=1"]


def test_a_worker_that_waits_for_its_database_lives_but_is_not_ready(
    manager: Manager, database_env: dict[str, str], worker: StartWorker
) -> None:
    database_env |= {"TEST_DATABASE": UNREACHABLE, "DATABASE_URL": UNREACHABLE}
    worker()
    assert [manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3


@not_through_it("no server process is the worker's own")
def test_a_worker_whose_ledger_hangs_gives_no_sign_of_life(
    manager: Manager, worker: StartWorker
) -> None:
    if connection.vendor != "postgresql" or os.geteuid() != 0:
        pytest.skip("hangs a server process of PostgreSQL, which takes root on its machine")
    process = worker()
    while manager.next() != "READY=1":
        pass
    with connection.cursor() as cursor:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        cursor.execute(f"SELECT pid FROM pg_stat_activity WHERE {others}")
        backends = [pid for (pid,) in cursor.fetchall()]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert manager.falls_silent()
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    assert manager.next() == "WATCHDOG=1"
    assert process.process.poll() is None


def test_a_socket_may_have_an_abstract_name(tmp_path: Path) -> None:
    manager = Manager(f"\0{tmp_path}")
    Notifier({"NOTIFY_SOCKET": f"@{tmp_path}"}).once("READY=1")
    assert manager.next(1.0) == "READY=1"
    manager.socket.close()


def test_jobs_do_not_inherit_the_socket() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Notifier(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_no_sign_of_life_is_due(environ: dict[str, str]) -> None:
    assert Notifier(dict(environ)).every == float("inf")


def test_a_sign_of_life_wants_the_ledger_to_have_turned(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "4000000"})
    notifier.alive(10.0, turns=1)
    notifier.alive(11.0, turns=1)
    notifier.alive(12.0, turns=2)
    assert manager.all_that_came() == ["WATCHDOG=1"] * 2
    assert notifier.next_at() == 13.0
    manager.socket.close()


def test_a_manager_that_is_gone_disturbs_nobody() -> None:
    Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}).once("READY=1")
