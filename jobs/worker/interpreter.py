"""Processes of a worker that are no copies of one that runs, but start anew."""

from __future__ import annotations

import os
import sys


def new_interpreter(role: str, *fds: int) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a process in this role, see `__main__`, with these descriptors.

    It imports from where this one does, however that came about.
    """
    package = __package__ or ""
    command = [sys.executable, "-m", package, role, *map(str, fds)]
    return command, {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
