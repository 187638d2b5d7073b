"""The messages between supervisor, launcher and children: one line of JSON each."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import Annotated, Any, Generic, TypeVar

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

# A child runs the code of others: what it says of itself is believed within bounds, and nothing that
# it says of anybody else, its own pid included.
LONGEST_LEVEL = 50
"""Characters of the name of a level of `logging`."""
Level = Annotated[str, msgspec.Meta(max_length=LONGEST_LEVEL)]
CpuSeconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
"""They are added up: without a bound, one lie would make every sum too large to be stored."""
Memory = Annotated[int, msgspec.Meta(ge=0, le=1 << 60)]


class Ready(msgspec.Struct, tag=True):
    """It has started, and takes orders."""

    pid: int = 0
    """Wanted by older supervisors, whose children may start from newer files; nobody else believes it."""


class Log(msgspec.Struct, tag=True):
    """A record of `logging`."""

    at: int
    level: Level
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
    cpu_seconds: CpuSeconds = 0.0
    cpu_total: CpuSeconds = 0.0
    """Of the process's whole life so far."""
    peak_rss: Memory = 0
    retire: str = ""
    """Why the process is not to be used again; empty where it was left as it was found."""


ChildReport = Ready | Log | Progress | Done

launcher_orders = msgspec.json.Decoder(LauncherOrder)
launcher_reports = msgspec.json.Decoder(LauncherReport)
child_orders = msgspec.json.Decoder(ChildOrder)
child_reports = msgspec.json.Decoder(ChildReport)
_encoder = msgspec.json.Encoder()

CHUNK = 1 << 16


class Nonsense(Exception):
    """Something has arrived that is no message."""


class Channel(Generic[Message]):
    """One end of a socket pair that carries messages; `decoder` says which ones arrive.

    Raises EOFError when the other end is gone, and Nonsense when it is not to be understood. Of one
    message no more than `longest` bytes are kept, if that is not 0.
    """

    def __init__(
        self, sock: socket.socket, decoder: msgspec.json.Decoder[Any], longest: int = 0
    ) -> None:
        self.socket = sock
        self.decoder = decoder
        self.longest = longest
        self.rest = b""
        self.was_reset = False
        """Whether the other end has gone with something unread that was sent to it."""

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
        except BlockingIOError as error:
            raise EOFError("the other end does not read") from error
        except (BrokenPipeError, ConnectionResetError) as error:
            self.was_reset = self.was_reset or isinstance(error, ConnectionResetError)
            raise EOFError("the other end is gone") from error

    def receive(self, *, wait: bool = True) -> list[Message]:
        """Return the messages that have arrived; with `wait`, blocks until something has."""
        flags = 0 if wait else socket.MSG_DONTWAIT
        try:
            data = self.socket.recv(CHUNK, flags)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data, self.was_reset = b"", True
        if not data:
            raise EOFError("the other end is gone")
        return self.parse(data)

    def receive_rest(self, at_most: int) -> list[Message]:
        """Return all that has arrived, to about `at_most` bytes, whether or not the other end is gone."""
        parts: list[bytes] = []
        try:
            while at_most > 0 and (data := self.socket.recv(CHUNK, socket.MSG_DONTWAIT)):
                parts.append(data)
                at_most -= len(data)
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.was_reset = True
        return self.parse(b"".join(parts))

    def parse(self, data: bytes) -> list[Message]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        if 0 < self.longest < len(self.rest):
            raise Nonsense(f"more than {self.longest} bytes without an end")
        try:
            return [self.decoder.decode(line) for line in lines]
        # What is not UTF-8, or too deep, is not a DecodeError.
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Nonsense(str(error)[:200]) from None

    def wait_at_most(self, seconds: int) -> None:
        """Have `send` take the other end for gone that reads nothing for so long."""
        limit = struct.pack("ll", seconds, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def is_read(self) -> bool:
        """Whether the other end has read all that was sent; also where nobody can tell."""
        try:
            held = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return True
        return held == bytes(4)

    def close(self) -> None:
        self.socket.close()
