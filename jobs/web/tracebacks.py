"""Tracebacks without the frames that are nobody's own code."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

FRAME = re.compile(r'\s*File "(?P<file>[^"]*)", line \d+')
FOREIGN = (
    *("/site-packages/", "/dist-packages/", "<frozen "),
    *(f"{path}/" for path in (sysconfig.get_path("stdlib"), Path(__file__).parents[1])),
)
"""What the files of libraries, of Python, and of this package have in their names."""
OMITTED = "  …\n"


def own_frames(traceback: str) -> str:
    """Return a traceback with the project's frames alone, and a dots line for each run of others.

    Empty where there is nothing to leave out, or no frame would be left.
    """
    kept: list[str] = []
    omits, inside = False, 0
    for line in traceback.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip())
        if frame := FRAME.match(line):
            omits, inside = any(part in frame["file"] for part in FOREIGN), indent
        elif omits and indent <= inside:
            omits = False
        if not omits:
            kept.append(line)
        elif kept[-1:] != [OMITTED]:
            kept.append(OMITTED)
    text = "".join(kept)
    shows = any(FRAME.match(line) for line in kept)
    return text if shows and OMITTED in kept else ""
