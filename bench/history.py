"""What the fixture's history holds, as SQL expressions of the place of a job."""

from __future__ import annotations

from jobs.fingerprints import likeness

from .dialects import Dialect, pick

NAMES = """SendInvoice ResizeImage SyncStock ImportPrices ChargeCard SendNewsletter RebuildIndex
           ExportOrders RefundOrder PingPartner CleanCarts MakeReport"""
CLASSES = [f"shop.{name}" for name in NAMES.split()]
QUEUES = ["default"] * 6 + ["mail"] * 2 + ["reports", "imports"]
"""A queue as often as is its share of the jobs."""

# SQL expressions of `n`, the place of a job, and `dice`, its throw from 0 to 99.
STATUS = "CASE WHEN dice < 94 THEN 'completed' WHEN dice < 98 THEN 'failed' ELSE 'cancelled' END"
MADE = "CASE WHEN dice < 4 THEN 2 WHEN dice < 94 THEN 1 WHEN dice < 98 THEN 3 ELSE 99 - dice END"
"""How many attempts it has made."""
TRIES = "CASE WHEN dice = 99 THEN 1 ELSE MADE END".replace("MADE", MADE)
"""The same, but 1 where it has made none: where its end stands in time."""
WAITED_MS = "n % 50 * 100"
WAITED = f"({WAITED_MS}) / 1000.0"
"""Seconds until its first attempt; each further one is due a minute after, and waits as long."""
CLASS_PLACE, QUEUE_PLACE = "((n - n % 7) / 7)", "((n - n % 13) / 13)"
"""Whole numbers, also where a division has a remainder."""
TAG_PLACE = "((n - n % 11) / 11)"
TAGGED = f"{TAG_PLACE} % 5 = 0"
"""Which jobs carry a tag: one of five."""
TAG = f"CASE WHEN {TAG_PLACE} % 10 = 0 THEN 'nightly' ELSE 'customer:' || (n % 997) END"
"""One that many share, or one that few do."""
TOOK_MS = f"(1 + n * 37 % 3000) * (1 + {CLASS_PLACE} % {len(CLASSES)})"
TOOK = f"({TOOK_MS}) / 1000.0"
"""Seconds each of its attempts took."""
CPU, PEAK = "n % 100 / 100.0", "50000000 + n % 1000 * 10000"
FAILS = f"(number < {MADE} OR dice BETWEEN 94 AND 97)"
"""Whether its attempt of this `number` failed."""
ERRORS = (
    ("PartnerDown", "503 Service Unavailable"),
    ("ValueError", "order {n} has no address"),
    ("JobTimeout", "it ran for more than 30 s"),
    ("KeyError", "vat_rate"),
)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/jobs.py", line 42, in handle
    response.raise_for_status()
shop.errors.{type}: {message}
"""
ERROR_PLACE = f"((n - n % 3) / 3 % {len(ERRORS)})"
NUMBERS = "(SELECT 1 AS number UNION ALL SELECT 2 UNION ALL SELECT 3) AS numbers"


def thrown(dialect: Dialect, first: int, last: int) -> str:
    """Return the source of places from the `first` to the `last`, each with its throw."""
    return f"(SELECT n, n * 19 % 100 AS dice FROM ({dialect.series(first, last)}) AS s) AS thrown"


def where(condition: str, text: str) -> str:
    return f"CASE WHEN {condition} THEN {text} ELSE '' END"


def error(pattern: str) -> str:
    """Return the expression of a text about the error of a job."""
    texts = [pattern.format(type=kind, message=message) for kind, message in ERRORS]
    return pick(texts, ERROR_PLACE).replace("{n}", "' || n || '")


def error_group() -> str:
    """Return the expression of the fingerprint of the group that the error of a job is in."""
    alike = [[likeness(name, kind, text.format(n=1)) for kind, text in ERRORS] for name in CLASSES]
    of_class = [pick([one.fingerprint for one in some], ERROR_PLACE) for some in alike]
    cases = " ".join(f"WHEN {at} THEN {one}" for at, one in enumerate(of_class))
    return f"(CASE {CLASS_PLACE} % {len(CLASSES)} {cases} END)"
