"""Requests with parameters that nobody means, to every page there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from bench.fixture import fill, look_through
from bench.pages import living
from bench.pages.addresses import pages
from bench.pages.filters import Known
from jobs.models import Rollup
from jobs.states import JobStatus
from jobs.statistics import PARTS

from ..web.fuzzing.parameters import NAMES
from .scale import SCALE

DAYS = 30
VALUES = (
    *("999999999", "1000000000", "9" * 31, "9" * 5_000, str(2**63 - 1), str(2**63), "0", "1", "-1"),
    *("0001-01-01T00:00", "9999-12-31T23:59:59", "999999999d", "30d", "x" * 50_000, "%" * 50_000),
    *("a.b.c:1", "order_id:1", *JobStatus.values),
)
NAMED = (*NAMES, "days", "per_page", "page", "limit", "offset", "typed", "with", "p", "o")
MANY = urlencode([("id", number) for number in range(1, 5_001)])
"""More jobs than one may tick, in one form."""


def make_world(jobs: int, days: float, monkeypatch: pytest.MonkeyPatch) -> Known:
    """Store so many jobs of the last days, and some of everything else; less of that in a short run."""
    if not SCALE:
        for name, value in (("WITH_OUTPUT", 30), ("LONG_LOG", 60), ("AUDITED", 60), ("GONE", 5)):
            monkeypatch.setattr(living, name, value)
        monkeypatch.setattr(living, "BACKLOG", dict.fromkeys(living.BACKLOG, 20))
    fill(jobs, days=days)
    # Of a longer time there are more daily sums, which are few: a database may read all of them.
    before = timezone.now() - timedelta(days=DAYS)
    Rollup.objects.filter(resolution__in=PARTS, period__lt=before).delete()
    living.settle()
    look_through()
    return Known.read(jobs)


def absurd(known: Known, count: int) -> list[str]:
    """Return addresses of every page in turn; of exports, which read more than a page, none."""
    plain = [page.addresses[0] for page in pages(known) if not page.group.startswith("Export")]
    chance = Random(49)
    return [with_more(plain[place % len(plain)], chance) for place in range(count)]


def with_more(address: str, chance: Random) -> str:
    """Return an address with one to three more parameters; of two with a name the last one counts."""
    more = [(chance.choice(NAMED), chance.choice(VALUES)) for _ in range(chance.randint(1, 3))]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(more)}"


def short(addresses: Sequence[str]) -> Iterator[str]:
    """Yield them as one may read them."""
    for one in addresses:
        yield one if len(one) < 150 else f"{one[:150]}…"
