"""Small bars drawn as SVG: their places as attributes, their colours by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, GAP, HEIGHT = 6, 2, 24
"""Units of one bar, of the space after it, and of the whole drawing."""
LEAST = 2


@dataclass(frozen=True)
class Bar:
    """One step: how many went well and badly, and how high that is drawn."""

    x: int
    good: int
    bad: int
    good_y: int
    good_height: int
    bad_y: int
    bad_height: int


def bars(steps: Sequence[tuple[int, int]]) -> list[Bar]:
    """Return a bar for each (good, bad), the highest as high as the drawing; bad stands on top."""
    most = max((good + bad for good, bad in steps), default=0)
    drawn = []
    for place, (good, bad) in enumerate(steps):
        good_height, bad_height = _height(good, most), _height(bad, most)
        good_height = min(good_height, HEIGHT - bad_height)
        x, good_y = place * (WIDTH + GAP), HEIGHT - good_height
        drawn.append(Bar(x, good, bad, good_y, good_height, good_y - bad_height, bad_height))
    return drawn


def _height(count: int, most: int) -> int:
    """Return the units that `count` takes of the highest; never nothing where there is something."""
    return max(round(count / most * HEIGHT), LEAST) if count else 0
