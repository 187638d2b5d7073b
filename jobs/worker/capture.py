"""In a child: making everything a job says arrive at the supervisor."""

from __future__ import annotations

import ctypes
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import suppress

from ..conf import conf
from ..output import clean
from .protocol import LONGEST_LEVEL, Log
from .reporting import ReportingChannel

LONGEST_RECORD = 64 * 1024
"""Characters kept of one log record."""


class RecordHandler(logging.Handler):
    """Sends records of `logging` as what they are, so that their level is not lost."""

    channel: ReportingChannel | None = None

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if self.channel is None:
            return
        try:
            sys.stdout.flush()
            text = clean(self.format(record))
            if len(text) > LONGEST_RECORD:
                text = (
                    f"{text[:LONGEST_RECORD]}… [cut: {len(text) - LONGEST_RECORD} characters more]"
                )
            level = record.levelname.lower()[:LONGEST_LEVEL]
            self.channel.send(Log(int(record.created * 1000), level, text + "\n"))
        except EOFError:
            pass  # The supervisor is gone; so is this process, in a moment.
        except Exception:
            self.handleError(record)


_handler = RecordHandler()


def prepare_logging() -> None:
    """Give `logging` our handler in place of those on the console; once, for all children to come."""
    _handler.setLevel(conf.LOG_LEVEL)
    root = logging.getLogger()
    for logger in _loggers():
        console = [one for one in logger.handlers if _is_console(one)]
        for one in console:
            logger.removeHandler(one)
        if logger is root or (console and not logger.propagate):
            logger.addHandler(_handler)
    root.setLevel(min(root.level or logging.WARNING, _handler.level))


def capture(channel: ReportingChannel, streams: Streams) -> None:
    """Send what is logged to the supervisor, and what is printed into these streams."""
    _handler.channel = channel
    sys.stdout, sys.stderr = streams


Streams = tuple[io.TextIOWrapper, io.TextIOWrapper]


def standard_streams() -> Streams:
    """Return line-buffered streams on stdout and stderr, whatever these will be then."""
    return _stream(1), _stream(2)


def _stream(fd: int) -> io.TextIOWrapper:
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _loggers() -> Iterator[logging.Logger]:
    yield logging.getLogger()
    for one in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(one, logging.Logger):
            yield one


def _is_console(handler: logging.Handler) -> bool:
    consoles = (sys.__stdout__, sys.__stderr__, sys.stdout, sys.stderr)
    return (
        isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
        and (handler.stream in consoles or getattr(handler.stream, "name", "") in CONSOLE_NAMES)
    )


CONSOLE_NAMES = ("<stdout>", "<stderr>")
_libc = ctypes.CDLL(None)


def flush() -> None:
    """Write out what Python and C still hold of this process's output."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # A job may have closed it.
            stream.flush()
    _libc.fflush(None)
