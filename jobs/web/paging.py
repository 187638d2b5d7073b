"""Pages by key: each costs the same, however far down the list it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Count, Max, Min, Model, QuerySet

from ..selection import Selection, in_order
from .key_ranges import key_range

SPAN = 50_000
"""Keys that one page looks through where no index answers the whole filter."""
SLOW_SPAN = 20_000
"""Keys where each row takes a look into a text, its arguments or another table."""
ROWS = 10_000
"""Rows of an index that it looks through where one answers a part of the filter."""

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, newest first; `newer` and `older` are the keys the next pages start from.

    `partial` says that the page ends where its search did: there may be older matches.
    """

    rows: list[Row]
    newer: int | None = None
    older: int | None = None
    partial: bool = False


def page_of(
    rows: QuerySet[Row],
    size: int,
    before: int | None,
    after: int | None,
    key: str = "pk",
    lead: str = "",
) -> Page[Row]:
    """Return the page of `rows` below the key `before`, above `after`, or the first one.

    `lead` is the column before the key in the index that holds these rows, see `Selection.lead`.
    """
    if after is not None:
        above = rows.filter(**{f"{key}__gt": after})
        found = list(in_order(above, key, lead)[: size + 1])
        # Fewer than a page above it: the first page shows those, and fills up.
        if len(found) <= size:
            return page_of(rows, size, None, None, key, lead)
        found = found[size - 1 :: -1]
        return Page(found, newer=keyed(found[0], key), older=keyed(found[-1], key))
    if before is not None:
        rows = rows.filter(**{f"{key}__lt": before})
    found = list(in_order(rows, key, lead, newest_first=True)[: size + 1])
    more = len(found) > size
    found = found[:size]
    return Page(
        found,
        newer=None if before is None else keyed(found[0], key) if found else before - 1,
        older=keyed(found[-1], key) if more else None,
    )


def searched_page_of(
    rows: QuerySet[Row],
    size: int,
    before: int | None,
    after: int | None,
    *,
    key: str = "pk",
    reach: Reach | None = None,
) -> Page[Row]:
    """Return a page like `page_of`, looking no further than `reach`: by default through `SPAN` keys.

    A filter by several columns at once may match few of many rows, and no index leads by all of
    its columns: without a bound, such a page could read the whole table.
    """
    reach = reach or KeyReach(rows)
    ceiling = None if after is None else reach.above(after)
    if after is not None and ceiling is not None:
        near = rows.filter(**{f"{key}__gt": max(after, reach.bottom), f"{key}__lte": ceiling})
        found = list(near.order_by(key)[: size + 1])
        newer = keyed(found[size - 1], key) if len(found) > size else ceiling
        older = keyed(found[0], key) if found else after + 1
        return Page(found[:size][::-1], newer=newer, older=older)
    before = before if after is None else None
    floor = reach.below(before)
    # One bound on each side: of two on the same, SQLite may read on to the looser one.
    page = page_of(rows.filter(**{f"{key}__gte": floor}), size, reach.start(before), None, key)
    more = page.older is None and not reach.ends_at(floor)
    return Page(
        page.rows,
        newer=None if before is None else page.newer,
        older=floor if more else page.older,
        partial=more,
    )


class Reach(ABC):
    """How far a search looks at once, of the keys above `bottom` and below `top`: of all, by default."""

    rows: int
    """Through how many entries of an index."""
    bottom = 0
    top: int | None = None

    def start(self, before: int | None) -> int | None:
        """Return the key below which a page begins that is asked for below `before`, or below all."""
        return min((key for key in (before, self.top) if key is not None), default=None)

    @abstractmethod
    def below(self, before: int | None) -> int:
        """Return the smallest key it looks at below `before`, or below all."""

    @abstractmethod
    def above(self, after: int) -> int | None:
        """Return the largest key it looks at above `after`; None where it sees the newest."""

    def ends_at(self, floor: int) -> bool:
        """Return whether there is nothing to look at below `floor`."""
        return floor <= self.bottom + 1


class KeyReach(Reach):
    """Looks through `span` keys, by default SPAN, whatever of them is a row.

    `ends` are the smallest and the largest key of the table, from who knows them already.
    """

    def __init__(
        self, rows: QuerySet[Any], span: int | None = None, ends: tuple[int, int] | None = None
    ) -> None:
        oldest, self.newest = ends or (None, newest_key(rows))
        self.rows = span or SPAN
        if self.newest > self.rows:
            # Below it all was pruned: a search has nothing to look for there.
            self.bottom = (oldest_key(rows) if oldest is None else oldest) - 1

    def below(self, before: int | None) -> int:
        top = self.newest + 1 if self.top is None else self.top
        return max((top if before is None else min(before, top)) - self.rows, self.bottom + 1)

    def above(self, after: int) -> int | None:
        last = self.newest if self.top is None else self.top - 1
        return after + self.rows if after + self.rows < last else None


class RowReach(Reach):
    """Looks through so many rows of one range of an index, whatever their keys."""

    rows = ROWS

    def __init__(self, candidates: QuerySet[Any], key: str) -> None:
        self.candidates, self.key = candidates, key
        self.known: dict[int | None, int] = {}

    def below(self, before: int | None) -> int:
        if before not in self.known:
            self.known[before] = self._floor(before)
        return self.known[before]

    def _floor(self, before: int | None) -> int:
        rows = self.candidates
        if before is not None:
            rows = rows.filter(**{f"{self.key}__lt": before})
        return self._last(rows.order_by(f"-{self.key}"), Min) or 0

    def above(self, after: int) -> int | None:
        rows = self.candidates.filter(**{f"{self.key}__gt": after})
        return self._last(rows.order_by(self.key), Max)

    def _last(self, rows: QuerySet[Any], extreme: type[Min | Max]) -> int | None:
        """Return the key of the last row within reach; None where the rows end before."""
        near = rows.values(self.key)[:ROWS]
        found = near.aggregate(count=Count("*"), last=extreme(self.key))
        return found["last"] if found["count"] == ROWS else None


def reach_of(
    selection: Selection, span: int | None = None, ends: tuple[int, int] | None = None
) -> Reach:
    """Return how far a search for the jobs of a filter looks at once: as a page does, or `span` keys.

    `ends` are the smallest and the largest id of a job, from who knows them already.
    """
    candidates, key = selection.candidates()
    if selection.tag:
        return RowReach(candidates, key)
    reach = KeyReach(candidates, span or span_of(selection), ends)
    if selection.since or selection.until:
        above, reach.top = key_range(selection, reach.newest)
        reach.bottom = max(reach.bottom, above)
    return reach


def span_of(selection: Selection) -> int:
    """Return how many entries of an index one page of a search for the jobs of a filter reads."""
    if selection.tag:
        return ROWS
    return SLOW_SPAN if selection.is_slow else SPAN


def newest_key(rows: QuerySet[Any]) -> int:
    """Return the largest key of the whole table; 0 for an empty one."""
    return _first_key(rows, "-pk")


def oldest_key(rows: QuerySet[Any]) -> int:
    """Return the smallest key of the whole table; 0 for an empty one."""
    return _first_key(rows, "pk")


def _first_key(rows: QuerySet[Any], order: str) -> int:
    keys = rows.model._default_manager.using(rows.db).order_by(order).values_list("pk", flat=True)
    return keys.first() or 0


def keyed(row: Model, key: str) -> int:
    return int(getattr(row, key))
