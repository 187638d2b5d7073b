"""A PostgreSQL of a test's own, what stands in front of it, and the tests' connection led there."""

from __future__ import annotations

import re
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from ..pgbouncer import SOCKET
from ..postgres import QUICK, Server
from .scale import pass_time

CRASHABLE = {**QUICK, "synchronous_commit": "on"}
"""What was committed outlives the server, though not the machine."""
DOWN = 1.0
"""Seconds between a crash of the server and its start."""
Crash = Callable[[], None]


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
        with suppress(ImproperlyConfigured):
            server.start()  # Where the test has left it stopped.


@contextmanager
def crashable(env: dict[str, str]) -> Iterator[Crash | None]:
    """Make a database on a server of its own, see `own_database`, and yield what makes that crash and come back.

    Yields None where the database is no PostgreSQL, and stays where it is.
    """
    if connection.vendor != "postgresql":
        yield None
        return
    server = Server(CRASHABLE)

    def crash() -> None:
        server.stop("immediate")
        pass_time(DOWN)
        server.start()

    with own_database(server, env):
        yield crash


def an_event_that_is_set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


class CuttingProxy:
    """Stands before a server, and cuts a connection between what it answers to `pattern` and its client."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder = folder
        self.upstream = str(upstream / SOCKET)
        self.pattern = re.compile(b"never")
        self.left = 0
        self.cuts = 0
        self.passes_on = an_event_that_is_set()
        """Of the connections from now on."""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / SOCKET))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, pattern: bytes) -> None:
        """Cut one connection: the next that sends `pattern`, once the server has answered to it."""
        self.pattern, self.left = re.compile(pattern, re.DOTALL), 1

    def swallow(self) -> None:
        """Keep the connections that there are, and hand on nothing more of what they carry."""
        self.passes_on.clear()
        self.passes_on = an_event_that_is_set()

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
            is_cut, passes_on = False, self.passes_on
            while True:
                for key, _ in selector.select():
                    passes_on.wait()
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data or (is_cut and key.fileobj is server):
                        return
                    key.data.sendall(data)
                    if key.fileobj is client and self.left and self.pattern.search(data):
                        self.left, is_cut = 0, True
                        self.cuts += 1
