"""Between which keys the jobs of a time range are, so that no page looks through all that are newer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connections

from ..models import Job
from ..selection import Selection
from .reading import read_each, time_read

SLACK = timedelta(hours=1)
"""How far the times of two jobs may be in another order than their keys.

A job has its key and its time from one statement of the database; only clocks that were set, or that
differ where a replica took over, make more of it.
"""
PROBES = 32
"""Jobs that one step of the search for a time looks at."""
CLOSE = 5_000
"""Keys that it leaves unsearched at either end."""


class Bracket:
    """Keys around the first job of `moment`: it is above `low`, and `high` or below.

    Where times and keys are in another order than thought, the `first` such job is sought, or else
    the one after which no earlier one is found, so that a range is too wide rather than too narrow.
    """

    def __init__(self, moment: datetime, newest: int, *, first: bool) -> None:
        self.moment, self.first = moment, first
        self.slack = SLACK if first else -SLACK
        self.low, self.high = 0, newest + 1

    def probes(self) -> list[int]:
        """Return keys that part it into even pieces; none where it is small enough."""
        step = (self.high - self.low) // (PROBES + 1)
        close = self.high - self.low <= CLOSE
        return [] if close else [self.low + step * place for place in range(1, PROBES + 1)]

    def narrow(self, times: dict[int, datetime | None]) -> None:
        """Use the times of the first jobs at or above some keys, of which all between are told.

        None for a time says that there is no job.
        """
        earlier = [key for key, at in times.items() if at and at + self.slack < self.moment]
        later = [key for key in times if key not in earlier]
        if self.first:
            self.high = min([self.high, *(key for key in later if key > self.low)])
            self.low = max([self.low, *(key for key in earlier if key < self.high)])
        else:
            self.low = max([self.low, *(key for key in earlier if key < self.high)])
            self.high = min([self.high, *(key for key in later if key > self.low)])


def key_range(selection: Selection, newest: int) -> tuple[int, int]:
    """Return above and below which keys all jobs of a selection's time are, of those up to `newest`.

    Takes one query for each factor of `PROBES` by which the table is larger than `CLOSE`, and none
    for a small table.
    """
    low = [Bracket(selection.since, newest, first=True)] if selection.since else []
    high = [Bracket(selection.until, newest, first=False)] if selection.until else []
    brackets = low + high
    while keys := sorted({key for bracket in brackets for key in bracket.probes()}):
        times = dict(zip(keys, times_from(keys), strict=True))
        for bracket in brackets:
            bracket.narrow(times)
    return low[0].low if low else 0, high[0].high if high else newest + 1


def times_from(keys: list[int]) -> list[datetime | None]:
    """Return when the first jobs at or above each of the keys were dispatched."""
    times = Job.objects.order_by("pk").values("created_at")
    found = read_each([("MAX(created_at)", times.filter(pk__gte=key)[:1]) for key in keys])
    connection = connections[times.db]
    return [time_read(value, connection) for value in found]
