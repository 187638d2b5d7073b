"""Asks for pages in this process, as a server would, and takes the time and the queries of each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..figures import percentile

if TYPE_CHECKING:
    from .addresses import Page

ASKED, WARM_UP = 40, 3
MOST_QUERIES, MOST_MS = 12, 100.0


@dataclass(kw_only=True)
class Taken:
    """What asking for one page took, and on which database."""

    run: str
    store: str
    jobs: int
    group: str
    what: str
    example: str
    """One of its addresses: the slowest."""
    queries: int
    """The most of any of its addresses."""
    times: list[float]
    """In milliseconds."""
    failed: str = ""
    """The address that did not answer with 200, and what it answered."""
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def p50(self) -> float:
        return percentile(self.times, 0.5)

    @property
    def p95(self) -> float:
        return percentile(self.times, 0.95)

    @property
    def longest(self) -> float:
        return max(self.times)

    @property
    def is_met(self) -> bool:
        return self.p95 <= MOST_MS and self.queries <= MOST_QUERIES and not self.failed


class Counter:
    """Counts the statements of a connection, at next to no cost."""

    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: Any, *given: Any) -> Any:
        self.queries += 1
        return execute(*given)


def visits(client: Any, page: Page, asked: int) -> Iterator[tuple[str, float, int, int]]:
    """Ask for the addresses of a page in turn; yield each with its time, queries and status."""
    from django.db import connection

    for place in range(asked):
        address = page.addresses[place % len(page.addresses)]
        counter = Counter()
        with connection.execute_wrapper(counter):
            start = time.perf_counter()
            response = client.get(address)
            if response.streaming:
                next(iter(response.streaming_content), None)  # A download has begun with that.
            took = 1000 * (time.perf_counter() - start)
        if response.streaming:
            # Left alone it would end whenever its memory is taken back. `response.close()` would
            # close the connection to the database as well, which the client's own wrapper does not.
            response._iterator.close()
        yield address, took, counter.queries, response.status_code


def ask(client: Any, page: Page, asked: int) -> dict[str, Any]:
    """Return what is to be known of a page, as fields of `Taken`."""
    for _ in visits(client, page, min(WARM_UP, asked)):
        pass
    found = list(visits(client, page, asked))
    failed = [f"{one[0]}: {one[3]}" for one in found if one[3] != 200]
    return {
        "group": page.group,
        "what": page.what,
        "example": max(found, key=lambda one: one[1])[0],
        "queries": max(one[2] for one in found),
        "times": [round(one[1], 2) for one in found],
        "failed": next(iter(failed), ""),
    }


def append(path: Path, taken: Sequence[Taken]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in taken)


def read(path: Path, run: str = "") -> list[Taken]:
    """Return what was taken by one run; by the last in the file if none is named."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    wanted = run or (rows[-1]["run"] if rows else "")
    return [Taken(**row) for row in rows if row["run"] == wanted]
