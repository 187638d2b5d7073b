"""The supervisor's end of the launcher: starting it, ordering from it, hearing of its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress

from django.db import connections

from . import launcher
from .interpreter import new_interpreter
from .protocol import Channel, Fork, LauncherOrder, LauncherReport, launcher_reports

PATIENCE = 10.0
"""Seconds a launcher that was told to leave has for ending its children."""


class LauncherLink:
    """A running launcher. `pid` is its process; its channel raises EOFError once it is gone."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self.channel: Channel[LauncherReport] = Channel(sock, launcher_reports)
        self.pid = pid
        self.is_ready = False
        """Whether it has been heard of."""
        self.owes_answer_since: float | None = None
        """When (monotonic) it was sent the lease that it has not answered yet."""

    def order(self, order: LauncherOrder) -> None:
        self.channel.send(order)

    def fork(self, ticket: int, channel: socket.socket, out: int, err: int) -> None:
        """Have a child started that gets these three descriptors."""
        self.channel.send(Fork(ticket), [channel.fileno(), out, err])

    def close(self) -> None:
        """Make it end every job and leave, and wait until it has."""
        self.channel.close()
        deadline = time.monotonic() + PATIENCE
        with suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                time.sleep(0.005)


def start_launcher() -> LauncherLink:
    """Fork a launcher where that is safe, else start one in a new interpreter."""
    list(connections.all())  # Imports the database drivers, once for all processes to come.
    if threading.active_count() == 1 and not _open_connections():
        return _fork()
    return _execute()


def _open_connections() -> bool:
    return any(one.connection is not None for one in connections.all(initialized_only=True))


def _fork() -> LauncherLink:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return LauncherLink(ours, pid)
    code = 70
    try:
        ours.close()
        launcher.main(theirs)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _execute() -> LauncherLink:
    ours, theirs = socket.socketpair()
    command, environment = new_interpreter("launcher", theirs.fileno())
    process = subprocess.Popen(
        command,
        pass_fds=[theirs.fileno()],
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    process.returncode = 0  # We wait for it ourselves; keeps Popen from warning that nobody did.
    return LauncherLink(ours, process.pid)
