"""What the jobs of a run have really done: a line each, written at once to a file in memory.

Needs nothing but Python's own library, because the jobs of every peer use it too.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

VARIABLE = "BENCH_EFFECTS"
"""Names the file in the environment of workers."""
SIZE = 40
"""Bytes of a line: one such write to a file opened with O_APPEND is never torn or mixed."""
END = 10_000_000
"""Added to the number of a job that notes its end as well."""

_descriptors: dict[str, int] = {}


class Effect(NamedTuple):
    number: int
    at: float
    """`time.monotonic()`, which the processes of one machine share."""
    pid: int


class LostOrTwice(Exception):
    """Jobs of a run are missing, or ran more than once."""


def record(number: int) -> None:
    """Note that the job of this number is running in this process."""
    path = os.environ[VARIABLE]
    if path not in _descriptors:
        _descriptors[path] = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(_descriptors[path], b"%8d%20.6f%11d\n" % (number, time.monotonic(), os.getpid()))


def spin(seconds: float) -> None:
    """Use so much CPU time in this thread, whatever else the machine does."""
    start = time.thread_time()
    while time.thread_time() - start < seconds:
        for _ in range(5000):
            pass


class Effects:
    """The file, as the one who measures sees it."""

    def __init__(self, name: str) -> None:
        memory = Path("/dev/shm")
        folder = memory if memory.is_dir() else Path(tempfile.gettempdir())
        self.path = folder / f"jobs-bench-{name}"
        self.empty()

    def empty(self) -> None:
        """Start anew. Processes of the run before may only be left with the old file."""
        self.path.unlink(missing_ok=True)
        self.path.touch()

    def count(self) -> int:
        return self.path.stat().st_size // SIZE

    def read(self) -> list[Effect]:
        lines = self.path.read_text().splitlines()
        return [Effect(int(a), float(b), int(c)) for a, b, c in (line.split() for line in lines)]

    def exactly(self, numbers: Iterable[int]) -> list[Effect]:
        """Return the effects, one for each number. Raises LostOrTwice."""
        effects = self.read()
        counted, expected = Counter(effect.number for effect in effects), set(numbers)
        lost = expected - counted.keys()
        twice = [number for number, times in counted.items() if times > 1]
        if lost or twice or counted.keys() - expected:
            raise LostOrTwice(
                f"of {len(expected)} jobs {len(lost)} did not run, {len(twice)} ran more than once"
                f" (such as {sorted([*lost, *twice])[:5]})"
            )
        return effects

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def span(effects: Iterable[Effect]) -> float:
    """Return the seconds from the first to the last of them."""
    times = [effect.at for effect in effects]
    return max(times) - min(times)
