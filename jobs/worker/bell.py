"""A thread that sleeps until another one rings, or until a descriptor has something to read."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Bell:
    """Made, waited for and closed by one thread; any thread may ring it, or a signal handler."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        for end in (self.reader, self.writer):
            os.set_blocking(end, False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.reader, selectors.EVENT_READ)
        self.asleep = False

    def ring(self) -> None:
        """Wake the thread, if it sleeps."""
        if self.asleep:
            with suppress(BlockingIOError):
                os.write(self.writer, b"x")

    def wait(self, seconds: float, has_news: Callable[[], object]) -> list[tuple[int, Any]]:
        """Sleep for at most `seconds`; not at all if there is news already.

        Returns the descriptors that have something to read, each with the data it was registered
        with. Who rings must have put the news where `has_news` finds it before ringing.
        """
        self.asleep = True
        ready = self.selector.select(0.0 if has_news() else max(0.0, seconds))
        self.asleep = False
        found = []
        for key, _ in ready:
            if key.fd == self.reader:
                with suppress(BlockingIOError):
                    os.read(self.reader, 4096)
            else:
                found.append((key.fd, key.data))
        return found

    def listen(self, fd: int, data: Any = None) -> None:
        """Wake up, too, when this descriptor has something to read."""
        self.selector.register(fd, selectors.EVENT_READ, data)

    def ignore(self, fd: int) -> None:
        """Take back `listen`; the descriptor may be closed already."""
        with suppress(KeyError, ValueError):
            self.selector.unregister(fd)

    def close(self) -> None:
        self.selector.close()
        os.close(self.reader)
        os.close(self.writer)
