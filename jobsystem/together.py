"""Runs several programs in one terminal, as one: they start together and end together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO, cast

GRACE = 15.0
"""Seconds between asking a program to end and killing it."""
INTERVAL = 0.1
"""Seconds between two looks at whether all of them still run."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Program:
    """One program in a session of its own, whose lines appear here behind its name."""

    def __init__(
        self, name: str, command: list[str], descriptors: Sequence[int], environment: dict[str, str]
    ) -> None:
        self.name = name
        # A session of its own keeps the terminal's Ctrl-C away from it: we pass on what it gets.
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=descriptors,
        )
        self.printer = threading.Thread(target=self._print)
        self.printer.start()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def signal(self, number: int) -> None:
        if not self.ended:
            self.process.send_signal(number)

    def close(self) -> None:
        """Kill it if it still runs, and print the last of its lines."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.printer.join()

    def _print(self) -> None:
        with cast(IO[bytes], self.process.stdout) as stream:
            for line in stream:
                sys.stdout.write(f"{self.name:>6} | {line.decode(errors='replace').rstrip()}\n")
                sys.stdout.flush()


class Group:
    """The programs that run together, until one of them ends or a signal ends all.

    The first SIGINT, SIGTERM or SIGHUP asks each of them to end (SIGTERM); the next one asks them to
    leave at once (SIGINT); after GRACE seconds they are killed.
    """

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.asked = 0
        """How many signals have come."""

    def start(
        self, name: str, command: list[str], descriptors: Sequence[int] = (), **environment: str
    ) -> Program:
        """Start a program that inherits the open `descriptors`, with more in its environment."""
        program = Program(name, command, descriptors, environment)
        self.programs.append(program)
        return program

    def wait(self) -> None:
        """Wait until a signal has come or one of the programs has ended."""
        while not self.asked and not any(program.ended for program in self.programs):
            time.sleep(INTERVAL)

    def end(self) -> None:
        """Ask all to end, wait, and kill what is left."""
        passed_on = 0
        deadline = time.monotonic() + GRACE
        while not all(program.ended for program in self.programs) and time.monotonic() < deadline:
            if passed_on < max(self.asked, 1):
                number = signal.SIGINT if passed_on else signal.SIGTERM
                for program in self.programs:
                    program.signal(number)
                passed_on += 1
            time.sleep(INTERVAL)
        for program in self.programs:
            program.close()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count signals instead of dying of them; leaving ends all programs."""
        before = {number: signal.signal(number, self._count) for number in SIGNALS}
        try:
            yield
        finally:
            self.end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
