"""The child's end of its channel: several threads report, and a signal may come at any moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import msgspec

from .protocol import Channel, ChildOrder, child_orders


class ReportingChannel(Channel[ChildOrder]):
    """Sends each message whole: no other thread's comes between, and no exception cuts it off."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, child_orders)
        self.lock = threading.Lock()
        self.main = threading.main_thread().ident
        self.sending = False
        """Whether the main thread, the one that signals interrupt, is in `send`."""
        self.postponed: Callable[[], None] | None = None

    def send(self, message: msgspec.Struct, fds: list[int] | None = None) -> None:
        if threading.get_ident() != self.main:
            with self.lock:
                super().send(message, fds)
            return
        self.sending = True
        try:
            with self.lock:
                super().send(message, fds)
        finally:
            self.sending = False
        if self.postponed is not None:
            interrupt, self.postponed = self.postponed, None
            interrupt()

    def interrupt(self, act: Callable[[], None]) -> None:
        """Call `act`, which may raise, in the main thread: now, or after what it is sending."""
        if self.sending:
            self.postponed = act
        else:
            act()
