"""Turns what a program wrote for a terminal into text and CSS classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
FORE, BEHIND = frozenset(COLOURS), frozenset(f"on-{colour}" for colour in COLOURS)
SWITCHES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "struck"}
UNSWITCHED = {
    22: {"bold", "dim"},
    23: {"italic"},
    24: {"underline"},
    27: {"inverse"},
    29: {"struck"},
    39: FORE,
    49: BEHIND,
}
"""Codes that add one class, and that take some away."""


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
    numbers = iter([_number(code) for code in codes.replace(":", ";").split(";")])
    for number in numbers:
        if number in (38, 48):
            colour = _of_palette(numbers)
            if colour is not None:
                style = _coloured(style, colour, behind=number == 48)
        else:
            style = _with(style, number)
    return style


def _number(code: str) -> int:
    return int(code) if code.isdigit() and len(code) < 4 else 0


def _of_palette(numbers: Iterator[int]) -> str | None:
    """Return the nearest of our colours to `5;n` or `2;r;g;b`; None where neither follows."""
    kind = next(numbers, 0)
    if kind == 2:
        return _nearest(*(next(numbers, 0) for _ in range(3)))
    if kind != 5:
        return None
    place = min(next(numbers, 0), 255)
    if place < 16:
        return COLOURS[place % 8]
    if place >= 232:
        return COLOURS[0 if place < 244 else 7]
    red, green, blue = (place - 16) // 36, (place - 16) // 6 % 6, (place - 16) % 6
    return _nearest(red * 51, green * 51, blue * 51)


def _nearest(red: int, green: int, blue: int) -> str:
    """Return the colour with the same parts in it, each of which is there or is not."""
    enough = max(red, green, blue, 64) * 0.6
    return COLOURS[(red >= enough) + 2 * (green >= enough) + 4 * (blue >= enough)]


def _coloured(style: frozenset[str], colour: str, *, behind: bool) -> frozenset[str]:
    return (style - (BEHIND if behind else FORE)) | {f"on-{colour}" if behind else colour}


def _with(style: frozenset[str], number: int) -> frozenset[str]:
    if number == 0:
        return frozenset()
    if number in SWITCHES:
        return style | {SWITCHES[number]}
    if number in UNSWITCHED:
        return style - UNSWITCHED[number]
    if 30 <= number <= 37 or 90 <= number <= 97:
        return _coloured(style, COLOURS[number % 10], behind=False)
    if 40 <= number <= 47 or 100 <= number <= 107:
        return _coloured(style, COLOURS[number % 10], behind=True)
    return style
