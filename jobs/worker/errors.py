"""Exceptions as text: whatever they hold, saying what happened must not fail or take long."""

from __future__ import annotations

import sys
import traceback as traceback_module

from ..output import clean
from ..redaction import without_passwords

LONGEST = 64 * 1024
"""Characters kept of a message or a traceback."""


def name(error: BaseException) -> str:
    """Return the class of an exception; with its module unless it is a builtin or ours."""
    kind = type(error)
    module = kind.__module__
    own = __name__.partition(".")[0] + ".exceptions"
    full = kind.__qualname__ if module in ("builtins", own) else f"{module}.{kind.__qualname__}"
    return clean(full[:LONGEST])


def message(error: BaseException) -> str:
    """Return what an exception says, cut where it is long."""
    try:
        return _cut(str(error))
    except BaseException as failure:
        return f"<its __str__ raised {type(failure).__name__}>"


def traceback(error: BaseException) -> str:
    """Return an exception's traceback, without the frames of the worker."""
    frames = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_globals.get("__name__", "")):
        frames = frames.tb_next
    try:
        lines = traceback_module.format_exception(type(error), error, frames, limit=-100)
    except BaseException as failure:
        return f"{name(error)}: <no traceback: {type(failure).__name__}>\n"
    return _cut("".join(lines))


def show(error: BaseException, what: str) -> None:
    """Print an exception that does not change the outcome into the attempt's output."""
    sys.stderr.write(f"{what}: {name(error)}: {message(error)}\n{traceback(error)}\n")


def _is_ours(module: str) -> bool:
    return module.startswith(__name__.rpartition(".")[0] + ".")


def _cut(text: str) -> str:
    """Return what is kept of a text: not all of a long one, and of no URL the password."""
    return clean(_shortened(without_passwords(_shortened(text))))


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2 - 50  # Leaves room for the words between.
    return f"{text[:half]}\n… [cut: {len(text) - 2 * half} characters] …\n{text[-half:]}"
