"""The messages between supervisor, launcher and children: one line of JSON each."""

from __future__ import annotations

import socket
from typing import Any, Generic, TypeVar

import msgspec

Message = TypeVar("Message")

# -- supervisor to launcher ------------------------------------------------------------------------


class Fork(msgspec.Struct, tag=True):
    """Start a child. Comes with three descriptors: its channel, its stdout, its stderr."""

    ticket: int


class Signal(msgspec.Struct, tag=True):
    """Send a signal to one child, not to its tree."""

    pid: int
    number: int


class Kill(msgspec.Struct, tag=True):
    """End a child and all that descends from it."""

    pid: int


class Lease(msgspec.Struct, tag=True):
    """The jobs may run until then, by `boottime()`: read late, it is worth no more."""

    until: float


LauncherOrder = Fork | Signal | Kill | Lease

# -- launcher to supervisor ------------------------------------------------------------------------


class Forked(msgspec.Struct, tag=True):
    """A child was started, or could not be."""

    ticket: int
    pid: int
    error: str = ""


class Alive(msgspec.Struct, tag=True):
    """The launcher's answer to each lease."""


class Reaped(msgspec.Struct, tag=True):
    """A child has ended."""

    pid: int
    status: int
    """As of wait(2)."""
    cpu_seconds: float
    """Of its whole life and of the descendants it waited for."""
    max_rss: int
    """Bytes, of its whole life."""


class Killed(msgspec.Struct, tag=True):
    """A child's tree was ended."""

    pid: int
    pids: list[int]
    survivors: list[int]


LauncherReport = Forked | Alive | Reaped | Killed

# -- supervisor to child ---------------------------------------------------------------------------


class Run(msgspec.Struct, tag=True):
    """Run one attempt."""

    attempt_id: int
    job_id: int
    number: int
    job_class: str
    arguments: str
    worker: str
    fresh: bool


class RunHook(msgspec.Struct, tag=True):
    """Run `failed()` of a job whose attempt has failed for good."""

    attempt_id: int
    job_id: int
    number: int
    job_class: str
    arguments: str
    reason: str
    error_type: str
    error_message: str


class Stop(msgspec.Struct, tag=True):
    """Why the signal that follows was sent."""

    attempt_id: int
    timeout: float | None
    """The timeout in seconds that has passed; None for a cancel."""


class Leave(msgspec.Struct, tag=True):
    """Exit: no job will come."""


ChildOrder = Run | RunHook | Stop | Leave

# -- child to supervisor ---------------------------------------------------------------------------


class Ready(msgspec.Struct, tag=True):
    pid: int


class Log(msgspec.Struct, tag=True):
    """A record of `logging`."""

    at: int
    level: str
    text: str


class Progress(msgspec.Struct, tag=True):
    attempt_id: int
    done: int
    total: int | None
    message: str


class Done(msgspec.Struct, tag=True, omit_defaults=True):
    """An attempt or a hook has ended, and how. Its output has been flushed."""

    attempt_id: int
    status: str = "completed"
    reason: str = ""
    error_type: str = ""
    error_message: str = ""
    traceback: str = ""
    result: str | None = None
    delay: float | None = None
    final: bool = False
    cpu_seconds: float = 0.0
    cpu_total: float = 0.0
    """Of the process's whole life so far."""
    peak_rss: int = 0
    retire: str = ""
    """Why the process is not to be used again; empty where it was left as it was found."""


ChildReport = Ready | Log | Progress | Done

launcher_orders = msgspec.json.Decoder(LauncherOrder)
launcher_reports = msgspec.json.Decoder(LauncherReport)
child_orders = msgspec.json.Decoder(ChildOrder)
child_reports = msgspec.json.Decoder(ChildReport)
_encoder = msgspec.json.Encoder()

CHUNK = 1 << 16


class Channel(Generic[Message]):
    """One end of a socket pair that carries messages; `decoder` says which ones arrive.

    Raises EOFError when the other end is gone.
    """

    def __init__(self, sock: socket.socket, decoder: msgspec.json.Decoder[Any]) -> None:
        self.socket = sock
        self.decoder = decoder
        self.rest = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, message: msgspec.Struct, fds: list[int] | None = None) -> None:
        """Send one message whole; waits where the other end is slow."""
        data = _encoder.encode(message) + b"\n"
        try:
            if fds:
                sent = socket.send_fds(self.socket, [data], fds)
                data = data[sent:]
            if data:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EOFError("the other end is gone") from error

    def receive(self, *, wait: bool = True) -> list[Message]:
        """Return the messages that have arrived; with `wait`, blocks until something has."""
        flags = 0 if wait else socket.MSG_DONTWAIT
        try:
            data = self.socket.recv(CHUNK, flags)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError("the other end is gone")
        return self.parse(data)

    def parse(self, data: bytes) -> list[Message]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [self.decoder.decode(line) for line in lines]

    def close(self) -> None:
        self.socket.close()
