"""Pages by key: each costs the same, however far down the list it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet

SPAN = 100_000
"""Keys that one page looks through where no index answers the whole filter."""

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
    rows: QuerySet[Row], size: int, before: int | None, after: int | None, key: str = "pk"
) -> Page[Row]:
    """Return the page of `rows` below the key `before`, above `after`, or the first one."""
    if after is not None:
        found = list(rows.filter(**{f"{key}__gt": after}).order_by(key)[: size + 1])
        # Fewer than a page above it: the first page shows those, and fills up.
        if len(found) <= size:
            return page_of(rows, size, None, None, key)
        found = found[size - 1 :: -1]
        return Page(found, newer=keyed(found[0], key), older=keyed(found[-1], key))
    if before is not None:
        rows = rows.filter(**{f"{key}__lt": before})
    found = list(rows.order_by(f"-{key}")[: size + 1])
    more = len(found) > size
    found = found[:size]
    return Page(
        found,
        newer=None if before is None else keyed(found[0], key) if found else before - 1,
        older=keyed(found[-1], key) if more else None,
    )


def searched_page_of(
    rows: QuerySet[Row], size: int, before: int | None, after: int | None
) -> Page[Row]:
    """Return a page like `page_of`, looking through `SPAN` keys at most.

    A filter by several columns at once may match few of many rows, and no index leads by all of
    its columns: without a bound, such a page could read the whole table.
    """
    newest = newest_key(rows)
    if after is not None and after + SPAN >= newest:
        before = after = None
    if after is not None:
        found = list(rows.filter(pk__gt=after, pk__lte=after + SPAN).order_by("pk")[: size + 1])
        newer = found[size - 1].pk if len(found) > size else after + SPAN
        return Page(found[:size][::-1], newer=newer, older=found[0].pk if found else after + 1)
    top = min(before if before is not None else newest + 1, newest + 1)
    floor = max(top - SPAN, 0)
    page = page_of(rows.filter(pk__gte=floor), size, before, None)
    if page.older is None and floor > 1:
        return Page(page.rows, newer=page.newer, older=floor, partial=True)
    return page


def newest_key(rows: QuerySet[Any]) -> int:
    """Return the largest key of the whole table; 0 for an empty one."""
    keys = rows.model._default_manager.using(rows.db).order_by("-pk").values_list("pk", flat=True)
    return keys.first() or 0


def keyed(row: Model, key: str) -> int:
    return int(getattr(row, key))
