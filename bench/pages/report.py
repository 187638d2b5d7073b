"""Tables of what pages took: one line for each page to print, one for each group to publish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..figures import number
from ..tables import markdown
from .asking import MOST_MS, MOST_QUERIES, Taken

MARK = "✗"


def printed(found: Sequence[Taken]) -> str:
    """Return every page with its figures on each database; a mark stands where one is too much."""
    stores = list(dict.fromkeys(one.store for one in found))
    head = ["page", "", "example", "queries"]
    head += [f"{store} {name}" for store in stores for name in ("p50", "p95", "max", "")]
    rows = []
    by_place = {(one.group, one.what, one.store): one for one in found}
    for group, what in dict.fromkeys((one.group, one.what) for one in found):
        some = [by_place.get((group, what, store)) for store in stores]
        known = [one for one in some if one]
        slowest = max(known, key=lambda one: one.p95)
        row = [group, what, f"`{slowest.example}`", str(max(one.queries for one in known))]
        rows.append([*row, *(text for one in some for text in _cells(one))])
    return f"{_method(found)}\n\n{markdown(head, rows)}{_failures(found)}"


def _cells(one: Taken | None) -> list[str]:
    if one is None:
        return ["–"] * 3 + [""]
    return [number(value) for value in (one.p50, one.p95, one.longest)] + [_mark(one)]


def _mark(one: Taken) -> str:
    return "" if one.is_met else MARK


def published(found: Sequence[Taken]) -> str:
    """Return a table with the worst page of each group on each database."""
    stores = list(dict.fromkeys(one.store for one in found))
    head = ["page", "kinds", "queries"]
    head += [text for store in stores for text in (f"{store}: worst p95, ms", "its filter")]
    rows = []
    for group in dict.fromkeys(one.group for one in found):
        of_group = [one for one in found if one.group == group]
        kinds = len({one.what for one in of_group})
        row = [group, str(kinds), f"≤ {max(one.queries for one in of_group)}"]
        for store in stores:
            here = [one for one in of_group if one.store == store]
            row += _worst(here)
        rows.append(row)
    met = sum(one.is_met for one in found)
    share = f"{met} of {len(found)} stay within {MOST_MS:.0f} ms and {MOST_QUERIES} queries."
    return f"{_method(found)} {share}\n\n{markdown(head, rows)}{_failures(found)}"


def _worst(here: Iterable[Taken]) -> list[str]:
    worst = max(here, key=lambda one: one.p95, default=None)
    if worst is None:
        return ["–", ""]
    return [f"{number(worst.p95)} {_mark(worst)}".strip(), worst.what]


def _failures(found: Iterable[Taken]) -> str:
    return "".join(f"\n\nFailed on {one.store}: `{one.failed}`" for one in found if one.failed)


def _method(found: Sequence[Taken]) -> str:
    """Return a sentence on when, where and with what the times were taken."""
    machine = found[0].machine
    databases = dict.fromkeys(str(one.machine["database"]) for one in found)
    loads = [float(one.machine["load"]) for one in found]
    most = max(len(one.times) for one in found)
    return (
        f"{machine['at']}, commit {machine['commit']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; Python {machine['python']}, "
        f"Django {machine['django']}; {'; '.join(databases)}; load {min(loads)}–{max(loads)}. "
        f"{found[0].jobs:,} finished jobs; {most} requests each."
    )
