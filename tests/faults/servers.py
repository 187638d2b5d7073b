"""A PostgreSQL of a test's own, what stands in front of it, and the tests' connection led there."""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from ..postgres import QUICK, UNPRIVILEGED, Server
from ..waiting import wait_until

CRASHABLE = {**QUICK, "synchronous_commit": "on"}
"""What was committed outlives the server, though not the machine."""
SOCKET = ".s.PGSQL.5432"


@contextmanager
def led_to(**place: str) -> Iterator[None]:
    """Have this process's connection lead elsewhere for a while."""
    kept = {name: connection.settings_dict[name] for name in ("HOST", "PORT", "NAME", "USER")}
    connection.close()
    connection.settings_dict.update(place)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


@contextmanager
def own_database(server: Server, env: dict[str, str]) -> Iterator[str]:
    """Make a database on `server`, for this process and those started with `env`; yields its name."""
    name = f"faults_{uuid4().hex[:12]}"
    place = {"HOST": str(server.directory), "PORT": "", "USER": "postgres"}
    with led_to(**place, NAME="postgres"), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    with led_to(**place, NAME=name):
        call_command("migrate", verbosity=0)
        env["DATABASE_URL"] = env["TEST_DATABASE"] = server.url(name)
        yield name
        with suppress(pytest.UsageError):
            server.start()  # Where the test has left it stopped.


class CuttingProxy:
    """Stands before a server, and cuts a connection between what it answers to `pattern` and its client."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder = folder
        self.upstream = str(upstream / SOCKET)
        self.pattern = re.compile(b"never")
        self.left = 0
        self.cuts = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / SOCKET))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, pattern: bytes) -> None:
        """Cut one connection: the next that sends `pattern`, once the server has answered to it."""
        self.pattern, self.left = re.compile(pattern, re.DOTALL), 1

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, selectors.DefaultSelector() as selector, suppress(OSError):
            server.connect(self.upstream)
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            is_cut = False
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data or (is_cut and key.fileobj is server):
                        return
                    key.data.sendall(data)
                    if key.fileobj is client and self.left and self.pattern.search(data):
                        self.left, is_cut = 0, True
                        self.cuts += 1


PGBOUNCER = """
[databases]
* = host={upstream} user=postgres

[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = 5432
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(folder: Path, upstream: Path) -> Iterator[Path]:
    """Run PgBouncer in transaction mode before a server; yields the folder of its socket."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("Debian's pgbouncer is not installed")
    (folder / "ini").write_text(PGBOUNCER.format(folder=folder, upstream=upstream))
    shutil.chown(folder, UNPRIVILEGED)
    process = subprocess.Popen([program, "-q", folder / "ini"], user=UNPRIVILEGED)
    try:
        wait_until((folder / SOCKET).exists, message="pgbouncer listens")
        yield folder
    finally:
        process.terminate()
        process.wait()
