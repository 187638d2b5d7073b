"""Celery on Redis: a pool of forked processes, nothing kept (no result backend, its default)."""

from __future__ import annotations

from celery import Celery

from .. import redis_store, work

app = Celery("bench", broker=redis_store.URL)
app.conf.broker_connection_retry_on_startup = True


@app.task(name="noop")
def noop(number: int) -> None:
    work.noop(number)


def setup() -> None:
    redis_store.empty()


def dispatch(number: int) -> None:
    noop.delay(number)


def workers(concurrency: int) -> list[list[str]]:
    options = ["--concurrency", str(concurrency), "--loglevel", "WARNING"]
    return [["-m", "celery", "-A", "bench.peers.adapters.celery", "worker", *options]]
