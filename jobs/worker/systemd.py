"""Telling systemd how the worker is, by the protocol of sd_notify(3). Elsewhere it says nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress


class Notifier:
    """Sends READY, WATCHDOG and STOPPING to the socket systemd has named in the environment.

    Takes its variables out of the environment: they are not meant for jobs. `every` is the number
    of seconds between two signs of life, infinite where none are asked for.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self.address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.pop("WATCHDOG_USEC", "")
        meant = environ.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        # systemd asks for half of it; a quarter leaves room for a turn that takes long.
        self.every = int(microseconds) / 4e6 if microseconds.isdecimal() and meant else float("inf")
        self.alive_at = 0.0
        self.turns = 0
        self.said: set[str] = set()

    def once(self, state: str) -> None:
        """Send a state that is reached once: READY=1, STOPPING=1."""
        if state not in self.said:
            self.said.add(state)
            self._send(state)

    def next_at(self) -> float:
        """Return when (monotonic) the next sign of life is due."""
        return self.alive_at + self.every

    def alive(self, now: float, turns: int) -> None:
        """Send a sign of life if the ledger, too, has turned since the last one."""
        self.alive_at = now
        if turns != self.turns:
            self.turns = turns
            self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self.address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # A manager that does not read must not stop the loop.
            sock.sendto(state.encode(), self.address)
