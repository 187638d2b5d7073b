"""Turns what a program wrote for a terminal into text and CSS classes."""

from __future__ import annotations

import re
from typing import NamedTuple

# Every alternative stops at the next escape, so the whole text is read once.
_escape = re.compile(
    r"\x1b\[(?P<style>[0-9;:]*)m"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x1b\x07]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
_control = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_control[127] = 0x2421

COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


class Segment(NamedTuple):
    text: str
    style: str
    """CSS classes; empty for plain text."""


def segments(text: str) -> list[Segment]:
    """Split `text` by its colours; other escapes go, other control characters become visible."""
    found: list[Segment] = []
    style: frozenset[str] = frozenset()
    start = 0
    for escape in _escape.finditer(text):
        _add(found, text[start : escape.start()], style)
        if escape["style"] is not None:
            style = restyled(style, escape["style"])
        start = escape.end()
    _add(found, text[start:], style)
    return found


def plain(text: str) -> str:
    """Return `text` without escapes."""
    return _escape.sub("", text).translate(_control)


def _add(found: list[Segment], text: str, style: frozenset[str]) -> None:
    if text:
        found.append(
            Segment(text.translate(_control), " ".join(f"t-{name}" for name in sorted(style)))
        )


def restyled(style: frozenset[str], codes: str) -> frozenset[str]:
    """Return the classes after the numbers of one "select graphic rendition" sequence."""
    numbers = iter(codes.replace(":", ";").split(";"))
    for code in numbers:
        number = int(code) if code.isdigit() and len(code) < 4 else 0
        if number in (38, 48):
            # A colour of the large palettes follows, as 5;n or 2;r;g;b: skipped.
            for _ in range({"5": 1, "2": 3}.get(next(numbers, ""), 0)):
                next(numbers, "")
            continue
        style = _with(style, number)
    return style


def _with(style: frozenset[str], number: int) -> frozenset[str]:
    if number == 0:
        return frozenset()
    if number in (1, 2, 4):
        return style | {{1: "bold", 2: "dim", 4: "underline"}[number]}
    if number in (22, 24):
        return style - ({"bold", "dim"} if number == 22 else {"underline"})
    if 30 <= number <= 37 or 90 <= number <= 97:
        return (style - set(COLOURS)) | {COLOURS[number % 10]}
    return style - set(COLOURS) if number == 39 else style
