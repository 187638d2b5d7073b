"""Charts drawn as SVG on the server: places as attributes, colours by class, no script.

A chart is as wide as its place on the page, so it is drawn into a box of fixed units that is
stretched; whatever is text stands beside the drawing, in HTML.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

WIDTH, HEIGHT = 600, 120
"""Units of the drawing."""
ROOM = 6
"""Units left free above the highest value, so that a line is not cut."""
MARKER_WIDTH = 6
MOST_POINTS = 200
MARKED = 20
"""New versions of the project's code that are marked: the latest."""


@dataclass(frozen=True)
class Series:
    """One value for each step; None where there is none to tell."""

    key: str
    """The CSS class of its colour."""
    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Rect:
    key: str
    x: float
    y: float
    width: float
    height: float

    @property
    def box(self) -> SafeString:
        return box(self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class Path:
    key: str
    d: str


@dataclass(frozen=True)
class Hover:
    """The column of one step, with what a pointer over it tells."""

    x: float
    width: float
    text: str

    @property
    def box(self) -> SafeString:
        return box(self.x, 0, self.width, HEIGHT)


@dataclass(frozen=True)
class Deploy:
    """A version of the project's code, and when a worker first ran it."""

    version: str
    at: datetime

    @property
    def when(self) -> str:
        """The time in the current zone."""
        return date_format(timezone.localtime(self.at), "M j H:i")


@dataclass(frozen=True)
class Marker:
    """Where a version began: a line, and a wider place for the pointer."""

    deploy: Deploy
    step: int
    """The place of the step it began in."""
    x: float

    @property
    def line(self) -> str:
        return f"M{self.x:g} 0V{HEIGHT}"

    @property
    def box(self) -> SafeString:
        return box(self.x - MARKER_WIDTH / 2, 0, MARKER_WIDTH, HEIGHT)


def box(x: float, y: float, width: float, height: float) -> SafeString:
    """Return the attributes of a rectangle at once: a page of charts has many hundred of them."""
    return mark_safe(f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"')  # noqa: S308


@dataclass(frozen=True)
class Chart:
    """What a template needs to draw it, and to write it down as a table."""

    key: str
    title: str
    description: str
    series: Sequence[Series]
    starts: Sequence[datetime]
    step: timedelta
    words: Callable[[float], str]
    """Turns a value into text."""
    stacked: bool = False
    total: str = ""
    """What the heading adds, such as a sum."""
    deploys: Sequence[Deploy] = ()
    """New versions of the project's code in that time."""
    rects: list[Rect] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    hovers: list[Hover] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.starts) > MOST_POINTS:
            raise ValueError(f"{len(self.starts)} points are too many to be told apart")
        if self.is_empty:
            return
        self.rects.extend(_stack(self) if self.stacked else ())
        self.paths.extend([] if self.stacked else [_line(self, one) for one in self.series])
        self.hovers.extend(_hovers(self))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw: no value at all, or only zeros in a stack."""
        values = [value for one in self.series for value in one.values]
        return not any(values) if self.stacked else all(value is None for value in values)

    @cached_property
    def top(self) -> float:
        """The value at the upper edge."""
        if self.stacked:
            columns = zip(*(one.values for one in self.series), strict=True)
            return max((sum(value or 0 for value in column) for column in columns), default=0)
        return max((value or 0 for one in self.series for value in one.values), default=0)

    @property
    def top_label(self) -> str:
        return self.words(self.top)

    @property
    def marks(self) -> list[str]:
        """The times under the drawing: of its first, middle and last step."""
        last = len(self.starts) - 1
        return [self.when(self.starts[place]) for place in (0, last // 2, last)]

    def when(self, start: datetime) -> str:
        """Return a begin in the current zone, as finely as the steps are."""
        if self.step >= timedelta(days=1):
            # Days are those of UTC; in another zone they would carry the wrong date.
            return _written(start, UTC, "M j", get_language())
        how = "M j H:i" if self.step > timedelta(minutes=30) else "H:i"
        return _written(start, timezone.get_current_timezone(), how, get_language())

    @cached_property
    def markers(self) -> list[Marker]:
        """The deploys that lie within the steps, the latest first."""
        steps = [((one.at - self.starts[0]) / self.step, one) for one in self.deploys]
        return [
            Marker(one, int(place), round(place * self.slot, 2))
            for place, one in steps
            if 0 <= place < len(self.starts)
        ]

    @property
    def rows(self) -> list[tuple[str, list[str], list[str]]]:
        """The same as a table: begin, the values, and the versions that began, newest first."""
        begun: dict[int, list[str]] = defaultdict(list)
        for marker in self.markers:
            begun[marker.step].append(marker.deploy.version)
        return [
            (self.when(start), self.cells[place], begun[place])
            for place, start in reversed(list(enumerate(self.starts)))
        ]

    @cached_property
    def cells(self) -> list[list[str]]:
        """The texts of all values, by step."""
        return [
            [self.word(one.values[place]) for one in self.series]
            for place in range(len(self.starts))
        ]

    def word(self, value: float | None) -> str:
        return "–" if value is None else self.words(value)

    def scaled(self, value: float) -> float:
        """Return the height of a value in units."""
        return value / self.top * (HEIGHT - ROOM) if self.top else 0.0

    @cached_property
    def slot(self) -> float:
        """Units from one step to the next."""
        return WIDTH / len(self.starts)


def _stack(chart: Chart) -> list[Rect]:
    rects = []
    gap = chart.slot * 0.15
    for place in range(len(chart.starts)):
        y = float(HEIGHT)
        for one in chart.series:
            height = chart.scaled(one.values[place] or 0)
            if height:
                y -= height
                size = (round(chart.slot - gap, 2), round(height, 2))
                rects.append(Rect(one.key, round(place * chart.slot, 2), round(y, 2), *size))
    return rects


def _line(chart: Chart, one: Series) -> Path:
    """Return the line of a series, broken where there is no value."""
    parts, pen = [], "M"
    for place, value in enumerate(one.values):
        if value is None:
            pen = "M"
            continue
        x, y = (place + 0.5) * chart.slot, HEIGHT - chart.scaled(value)
        # A point between two gaps is drawn, too: as a line of no length with round ends.
        dot = "h0" if pen == "M" else ""
        parts.append(f"{pen}{x:.2f} {y:.2f}{dot}")
        pen = "L"
    return Path(one.key, "".join(parts))


def _hovers(chart: Chart) -> list[Hover]:
    return [
        Hover(
            round(place * chart.slot, 2),
            round(chart.slot, 2),
            _("%(time)s: %(values)s")
            % {
                "time": chart.when(start),
                "values": ", ".join(
                    f"{one.label} {cell}"
                    for one, cell in zip(chart.series, chart.cells[place], strict=True)
                ),
            },
        )
        for place, start in enumerate(chart.starts)
    ]


@lru_cache(maxsize=4 * MOST_POINTS)
def _written(moment: datetime, zone: tzinfo, how: str, language: str | None) -> str:
    """Return a time as text; all charts of a page have the same steps.

    By zone, too: a moment is equal in all of them, so that of another would be found.
    """
    return date_format(moment.astimezone(zone), how)
