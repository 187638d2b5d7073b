"""Uses one peer from inside its own virtual environment, and prints what came out of it as JSON.

    python -m bench.peers.driver setup | about | leave | workers N
    python -m bench.peers.driver dispatch SECONDS | many N | fill N | latency FIRST N GAP

`BENCH_PEER` names the adapter. Needs nothing but the peer and Python's own library.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from typing import Any

CHUNK, WARM_UP = 1000, 50

if os.environ.get("DJANGO_SETTINGS_MODULE"):
    import django

    django.setup()
adapter: Any = importlib.import_module(f"bench.peers.adapters.{os.environ['BENCH_PEER']}")


def setup() -> None:
    """Make its schema, or empty its store."""
    adapter.setup()


def leave() -> None:
    """Leave nothing in a store that is not a database of its own."""
    from . import redis_store

    redis_store.leave()


def about() -> dict[str, str]:
    """Return the versions of what its figures depend on."""
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        from django.db import connection

        version = ".".join(map(str, connection.get_database_version()))
        store = f"{connection.display_name} {version}"
    else:
        from . import redis_store

        store = f"Redis {redis_store.version()}"
    return {"python": platform.python_version(), "database": store}


def workers(concurrency: str) -> list[list[str]]:
    """Return the arguments for Python of each process to be started."""
    commands: list[list[str]] = adapter.workers(int(concurrency))
    return commands


def dispatch(seconds: str) -> float:
    """Dispatch one by one, and return how many a second."""
    for number in range(WARM_UP):
        adapter.dispatch(number)
    stored, start = 0, time.monotonic()
    while (taken := time.monotonic() - start) < float(seconds):
        adapter.dispatch(stored)
        stored += 1
    return stored / taken


def many(count: str) -> float | None:
    """Dispatch in bulk, and return how many a second; None where it has no such call."""
    if not hasattr(adapter, "dispatch_many"):
        return None
    adapter.dispatch_many(range(WARM_UP))
    start = time.monotonic()
    fill(count)
    return int(count) / (time.monotonic() - start)


def fill(count: str) -> None:
    """Dispatch so many jobs, as fast as it can."""
    if not hasattr(adapter, "dispatch_many"):
        for number in range(int(count)):
            adapter.dispatch(number)
        return
    for first in range(0, int(count), CHUNK):
        adapter.dispatch_many(range(first, min(first + CHUNK, int(count))))


def latency(first: str, count: str, gap: str) -> list[float]:
    """Dispatch jobs of rising numbers, one at a time, and return when each was."""
    adapter.dispatch(1)
    time.sleep(1.0)
    sent, start = [], time.monotonic()
    for place in range(int(count)):
        time.sleep(max(start + float(gap) * place - time.monotonic(), 0))
        sent.append(time.monotonic())
        adapter.dispatch(int(first) + place)
    return sent


COMMANDS = {
    one.__name__: one for one in (setup, about, workers, leave, dispatch, many, fill, latency)
}

if __name__ == "__main__":
    result = COMMANDS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(result), flush=True)
    os._exit(0)  # Some libraries keep threads that would be waited for.
