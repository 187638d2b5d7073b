"""The numbers of the system in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ... import statistics
from ...conf import conf
from ...histograms import BOUNDS, Histogram
from ...lifecycle.engines import engine_for
from ...models import Job, Queue, Worker
from ...states import FINAL, LIVE_WORKERS, JobStatus
from ...statistics import COUNTED, Summary
from .. import stats
from ..queues import backlog
from ..workers import Card
from .access import as_text, machine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MOST_QUEUES, MOST_GROUPS, MOST_WORKERS = 100, 1000, 1000
"""More time series than these would burden a Prometheus, and so are left out."""
EVERY = 2
"""Every second bucket is told, since those of a histogram add up anyway."""


class Sample(NamedTuple):
    labels: dict[str, str]
    value: float
    suffix: str = ""


class Family(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Iterable[Sample]


@machine("view_job", refusal=as_text, token=lambda: conf.METRICS_TOKEN)
def show_metrics(request: HttpRequest) -> HttpResponseBase:
    return HttpResponse("".join(lines(families())), content_type=CONTENT_TYPE)


def families() -> list[Family]:
    """Read all metrics, in six queries whose cost does not depend on finished jobs."""
    now = engine_for().now()
    return [*jobs_now(), *queues_now(now), *workers_now(now), *since_the_beginning()]


def lines(families: Iterable[Family]) -> Iterator[str]:
    for family in families:
        yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
        for sample in family.samples:
            told = ",".join(f'{name}="{escaped(value)}"' for name, value in sample.labels.items())
            labels = f"{{{told}}}" if told else ""
            yield f"{family.name}{sample.suffix}{labels} {sample.value:.10g}\n"


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def jobs_now() -> Iterator[Family]:
    unfinished = [status for status in JobStatus if status not in FINAL]
    counts = stats.by_each(Job.objects.all(), unfinished)
    yield Family(
        "jobs_unfinished",
        "gauge",
        f"Jobs that have not ended, by status; counted up to {stats.CAP}.",
        [Sample({"status": status}, count.value) for status, count in counts.items()],
    )


def queues_now(now: datetime) -> Iterator[Family]:
    names = Queue.objects.order_by("name").values_list("name", flat=True)[:MOST_QUEUES]
    found = backlog(list(names)).items()
    due = {name: one for name, one in found if one.oldest is not None}
    yield Family(
        "jobs_due",
        "gauge",
        f"Due jobs that no worker has taken yet, by queue; counted up to {stats.CAP}.",
        [Sample({"queue": queue}, one.due.value) for queue, one in due.items()],
    )
    yield Family(
        "jobs_oldest_due_seconds",
        "gauge",
        "How long the oldest due job of a queue has been waiting.",
        [
            Sample({"queue": queue}, max((now - one.oldest).total_seconds(), 0.0))
            for queue, one in due.items()
            if one.oldest
        ],
    )


def workers_now(now: datetime) -> Iterator[Family]:
    rows = Worker.objects.filter(status__in=LIVE_WORKERS).order_by("-lease_expires_at")
    cards = [Card(worker, now) for worker in rows[:MOST_WORKERS]]
    states = Counter(card.state for card in cards)
    known = ("running", "draining", "late", "dead")
    yield Family(
        "jobs_workers",
        "gauge",
        "Workers that have not left, by state; dead ones have not been rescued yet.",
        [Sample({"state": state}, states[state]) for state in known],
    )
    slots = sum(card.worker.concurrency for card in cards if card.state != "dead")
    yield Family("jobs_slots", "gauge", "Jobs that the workers run at once.", [Sample({}, slots)])


def since_the_beginning() -> Iterator[Family]:
    """Yield the counters, which never go back: also deleted jobs count."""
    found = statistics.ever_by_class_and_queue(MOST_GROUPS)
    yield Family(
        "jobs_ended_total",
        "counter",
        "Jobs that completed, failed or were cancelled, and attempts that were retried or released.",
        [
            Sample({"class": name, "queue": queue, "outcome": outcome}, value)
            for (name, queue), summary in found.items()
            for outcome in COUNTED
            if (value := getattr(summary.counts, outcome))
        ],
    )
    by_class: dict[str, Summary] = {}
    for (name, _), summary in found.items():
        by_class[name] = by_class.get(name, statistics.NOTHING) + summary
    yield Family(
        "jobs_cpu_seconds_total",
        "counter",
        "CPU time of attempts.",
        [Sample({"class": name}, one.cpu_seconds) for name, one in by_class.items()],
    )
    yield _histogram(
        "jobs_wait_seconds",
        "From when attempts were due until a process had them.",
        {name: (one.waited, one.waited_seconds) for name, one in by_class.items()},
    )
    yield _histogram(
        "jobs_run_seconds",
        "How long attempts ran.",
        {name: (one.ran, one.ran_seconds) for name, one in by_class.items()},
    )


def _histogram(name: str, told: str, found: dict[str, tuple[Histogram, float]]) -> Family:
    samples = []
    for job_class, (histogram, seconds) in found.items():
        below = list(accumulate(histogram.counts))
        for place in range(EVERY - 1, len(BOUNDS), EVERY):
            labels = {"class": job_class, "le": f"{BOUNDS[place]:g}"}
            samples.append(Sample(labels, below[place], "_bucket"))
        whole = {"class": job_class}
        samples += [
            Sample(whole | {"le": "+Inf"}, histogram.total, "_bucket"),
            Sample(whole, seconds, "_sum"),
            Sample(whole, histogram.total, "_count"),
        ]
    return Family(name, "histogram", told, samples)
