"""A database of a Redis server, used by the peers that need a broker."""

from __future__ import annotations

import os

from redis import Redis

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/15")
MARK = "jobs-bench"
"""The key that says that a database may be emptied."""


def empty() -> None:
    """Remove everything from it. Raises SystemExit where somebody else keeps something there."""
    client = Redis.from_url(URL)
    if client.dbsize() and not client.exists(MARK):
        raise SystemExit(f"{URL} is not empty: name another database in BENCH_REDIS_URL")
    client.flushdb()
    client.set(MARK, 1)


def leave() -> None:
    """Remove everything from it, the mark too."""
    client = Redis.from_url(URL)
    if client.exists(MARK):
        client.flushdb()


def version() -> str:
    return str(Redis.from_url(URL).info("server")["redis_version"])
