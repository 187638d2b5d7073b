"""Waking the workers of a SQLite database: a datagram to each, in a folder only its user can open.

A hint, nothing more: whoever cannot send or hear it is served by `PRAGMA data_version`, which
changes whenever another connection has committed.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

LOOK_EVERY, LOOK_SELDOM = 0.05, 0.25
"""Seconds between two looks at `data_version`: without a socket, and with one that says more sooner."""
LONGEST = 4096


def folder(database: str) -> Path:
    """Return the folder in which the workers of `database` listen."""
    digest = hashlib.sha256(os.path.abspath(database).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"django-jobs-{os.getuid()}" / digest


def is_private(path: Path) -> bool:
    """Whether nobody else can have put sockets of their own into `path`."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def send(database: str, payloads: Iterable[str]) -> None:
    """Tell every worker of `database` that is listening; one that cannot take it is passed over."""
    place = folder(database)
    try:
        if not is_private(place.parent):
            return
        names = os.listdir(place)
    except FileNotFoundError:
        return
    if not names:
        return
    message = "\n".join(payloads).encode()
    if len(message) > LONGEST:
        message = b""  # Nobody is named: look at everything.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for name in names:
            _send_one(sender, message, str(place / name))


def _send_one(sender: socket.socket, message: bytes, address: str) -> None:
    try:
        sender.sendto(message, address)
    except ConnectionRefusedError:  # Its worker died without tidying up.
        Path(address).unlink(missing_ok=True)
    except OSError:
        pass


class DatagramListener:
    """Hears datagrams, and notices commits of other connections through `data_version`."""

    look_again = 0.0

    def __init__(self, connection: BaseDatabaseWrapper, database: str, name: str) -> None:
        self.connection = connection
        self.version = self._data_version()
        self.address = folder(database) / name
        self.socket: socket.socket | None = None
        try:
            self._bind()
        except OSError:  # No such sockets here, or too long a path: data_version is enough.
            self.close()

    def _bind(self) -> None:
        top = self.address.parent.parent
        top.mkdir(mode=0o700, exist_ok=True)
        if not is_private(top):
            return
        self.address.parent.mkdir(mode=0o700, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(self.address))

    def _data_version(self) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return int(cursor.fetchone()[0])

    @property
    def interval(self) -> float:
        """Seconds after which to look although nothing was heard."""
        return LOOK_SELDOM if self.socket else LOOK_EVERY

    def fileno(self) -> int:
        return self.socket.fileno() if self.socket else -1

    def has_news(self) -> bool:
        return False

    def heard(self) -> set[str]:
        news: set[str] = set()
        while self.socket:
            try:
                news.update(self.socket.recv(LONGEST).decode().split("\n"))
            except BlockingIOError:
                break
        version = self._data_version()
        if version != self.version:
            self.version = version
            news.add("")
        return news

    def close(self) -> None:
        if self.socket:
            self.socket.close()
            self.address.unlink(missing_ok=True)
        self.socket = None
