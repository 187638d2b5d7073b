"""RQ: each worker forks a process for every job and waits for it; results are kept for 500 s.

Concurrency is the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis
from rq import Queue

from .. import redis_store, work

queue = Queue(connection=Redis.from_url(redis_store.URL))


def setup() -> None:
    redis_store.empty()


def dispatch(number: int) -> None:
    queue.enqueue(work.noop, number)


def dispatch_many(numbers: Iterable[int]) -> None:
    queue.enqueue_many([Queue.prepare_data(work.noop, (number,)) for number in numbers])


def workers(concurrency: int) -> list[list[str]]:
    command = ["-c", "from rq.cli import main; main()", "worker", "--url", redis_store.URL, "-q"]
    return [command] * concurrency
