"""Job classes that write what they like into the channel between their process and its worker."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from typing import Any

from jobs import BackgroundJob

DEEP = b"[" * 100_000 + b"]" * 100_000


def done(attempt_id: int, **fields: object) -> bytes:
    return message("Done", attempt_id=attempt_id, **fields)


def message(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode() + b"\n"


def said(what: str, me: int, other: int, pid: int) -> bytes:
    """Return what is written: `me` and `other` are ids of attempts, `pid` is the other's process."""
    failed: dict[str, Any] = {"status": "failed", "reason": "exception"}
    return {
        "garbage": b"nonsense\n",
        "not UTF-8": b'{"type":"Log","at":1,"level":"info","text":"\xff"}\n',
        "too deep": b'{"type":"Log","at":1,"level":"info","text":"","more":' + DEEP + b"}\n",
        "huge length": b"\x7f\xff\xff\xff\n",
        "half": b'{"type":"Do',
        "empty": b"\n",
        "unknown kind": message("Fork", ticket=1),
        "status": done(me, status="nonsense"),
        "reason": done(me, status="failed", reason="nonsense"),
        "running": done(me, status="running"),
        "lost worker": done(me, status="failed", reason="worker_lost"),
        "shutdown": done(me, status="released", reason="shutdown"),
        "seconds": done(me, cpu_seconds=1e300, cpu_total=1e300),
        "negative": done(me, cpu_seconds=-1e6),
        "memory": done(me, peak_rss=2**80),
        "level": message("Log", at=1, level="x" * 1_000_000, text=""),
        "of another": done(other, **failed),
        "ready again": message("Ready", pid=pid),
        "progress": message("Progress", attempt_id=me, done=1, total=2, message="\0" * 999) * 999,
        "levels": b"".join(message("Log", at=1, level=str(n), text="é") for n in range(9999)),
        "done": done(me, result='"forged"'),
        "done twice": done(me, result='"forged"') * 2 + done(me, **failed),
        "unstorable": done(me, result="no JSON"),
    }[what]


def tell(data: bytes) -> None:
    """Write into every socket of this process: one of them leads to the worker."""
    for name in map(int, os.listdir("/proc/self/fd")):
        try:
            if stat.S_ISSOCK(os.fstat(name).st_mode):
                with socket.socket(fileno=os.dup(name)) as one:
                    if one.family == socket.AF_UNIX and not one.getpeername():
                        one.sendall(data)
        except OSError:
            continue


class Forges(BackgroundJob):
    max_attempts = 1
    what: str
    other: int = 0
    pid: int = 0
    seconds: float = 0.0
    """That it goes on for."""

    def handle(self) -> str:
        run: Any = self._run
        tell(said(self.what, run.attempt_id, self.other, self.pid))
        time.sleep(self.seconds)
        return "honest"


class TalksForEver(BackgroundJob):
    """Sends the beginning of a message that has no end."""

    max_attempts = 1

    def handle(self) -> None:
        while True:
            tell(b"x" * 65_536)


class ClosesChannel(BackgroundJob):
    """Leaves its worker nothing to hear it by."""

    max_attempts = 1

    def handle(self) -> None:
        for name in map(int, os.listdir("/proc/self/fd")):
            try:
                if name > 2 and stat.S_ISSOCK(os.fstat(name).st_mode):
                    os.close(name)
            except OSError:
                continue
