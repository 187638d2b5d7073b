"""Jobs that hand over values and exceptions no database should have to see, or write without end."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from jobs import BackgroundJob

from .fault_jobs import Noting

MIB = 1024 * 1024


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(3000):
        found = [found]
    return found


BAD_VALUES: dict[str, Callable[[], Any]] = {
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "NaN inside": lambda: {"a": [1, float("nan")]},
    "decimal NaN": lambda: Decimal("NaN"),
    "NUL": lambda: "a\0b",
    "NUL inside": lambda: ["a", {"b": "\0"}],
    "NUL in a key": lambda: {"a\0": 1},
    "surrogate": lambda: "\ud800",
    "surrogate in a key": lambda: {"\udfff": 1},
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({1}),
    "tuple": lambda: (1, 2),
    "bytes": lambda: b"x",
    "date": lambda: date(2026, 3, 1),
    "int keys": lambda: {1: 2},
    "None as key": lambda: {None: 1},
    "object": object,
    "function": lambda: len,
    "10 MB": lambda: "x" * 10_000_000,
    "3000 deep": deep,
}


class Takes(BackgroundJob):
    value: Any

    def handle(self) -> None: ...


class Gives(Noting):
    """Returns a value that cannot be stored, by its name."""

    name: str
    max_attempts = 3

    def handle(self) -> Any:
        with self.noted():
            return BAD_VALUES[self.name]()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")

    __repr__ = __str__


SECRET = "".join(["not", "for", "everybody"])
"""Put together here, so that no line of source shows it."""


def secret() -> Exception:
    """Return an exception with a secret beside it, in a variable of the frame that raised it."""
    try:
        password = SECRET
        raise ValueError(f"wrong password of {len(password)} letters")
    except ValueError as error:
        return error


def circle() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def chain() -> Exception:
    error = ValueError("the first")
    for number in range(2000):
        later = ValueError(f"number {number}")
        later.__cause__, error = error, later
    return error


ODD: dict[str, Callable[[], BaseException]] = {
    "unspeakable": lambda: Unspeakable(),
    "100 MB": lambda: ValueError("x" * (100 * MIB)),
    "NUL and surrogates": lambda: ValueError("a\0b\ud800c"),
    "circle": circle,
    "chain": chain,
    "secret in a variable": secret,
    "password of a URL": lambda: ConnectionError(
        f"no answer from postgres://jobs:{SECRET}@db.example/jobs"
    ),
    "group": lambda: ExceptionGroup("several", [ValueError("one"), Unspeakable()]),
    "KeyboardInterrupt": lambda: KeyboardInterrupt(),
    "GeneratorExit": lambda: GeneratorExit(),
}


class RaisesOddly(Noting):
    how: str
    max_attempts = 1

    def handle(self) -> None:
        with self.noted():
            raise ODD[self.how]()


def write(data: bytes, fd: int = 1) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def one_line(size: int) -> None:
    write(b"x" * size + b"\n")


def bytewise(size: int) -> None:
    for _ in range(size):
        os.write(2, b"e")


def all_bytes(size: int) -> None:
    write(bytes(range(256)) * 16 + b"\xe2\x82")
    sys.stdout.flush()
    write(b"\xac\n\r10 %\r20 %\r\0\n")


def split(size: int) -> None:
    """Write characters of several bytes, each byte by itself."""
    for byte in "ü€😀".encode() * size:
        write(bytes([byte]))
        time.sleep(0.001)


def progress(size: int) -> None:
    for number in range(size + 1):
        write(b"\r%3d of %d" % (number, size))
    write(b"\n")


def binary(size: int) -> None:
    write(Random(41).randbytes(size))


def many_lines(size: int) -> None:
    write(b"".join(b"line %d\n" % number for number in range(size)))


def flood(size: int) -> None:
    write(b"first line\n")
    block = b"x" * 65_535 + b"\n"
    for _ in range(size // len(block)):
        write(block)
    write(b"last line\n")


def left_writing(size: int) -> int:
    write(b"the job is over\n")
    writer = ["sh", "-c", "while :; do echo still here; done"]
    return subprocess.Popen(writer, start_new_session=True).pid


FLOODS: dict[str, Callable[[int], int | None]] = {
    "one line": one_line,
    "bytewise": bytewise,
    "all bytes": all_bytes,
    "split": split,
    "progress": progress,
    "binary": binary,
    "many lines": many_lines,
    "flood": flood,
    "left writing": left_writing,
}


class Pours(Noting):
    """Writes `size` bytes, or lines, in one of the ways there are."""

    how: str
    size: int

    def handle(self) -> None:
        with self.noted():
            if writer := FLOODS[self.how](self.size):
                self.note("grandchild", writer)


class Talks(Noting):
    """Writes a line and tells how far it is, five times a second, until the file `go` appears."""

    def handle(self) -> None:
        with self.noted():
            for number in itertools.count():
                if (Path(self.folder) / "go").exists():
                    return
                sys.stdout.write(f"line {number} of something that goes on\n")
                self.progress(number, number + 100, "on its way")
                time.sleep(0.2)
