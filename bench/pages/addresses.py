"""Every page of the dashboard and of Django's admin, at addresses that ask for different things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from django.urls import reverse

from jobs.error_groups import WINDOWS
from jobs.models import Attempt, AuditEntry, Job, JobClass, Queue, Worker
from jobs.states import JobStatus
from jobs.web.ranges import RANGES

from ..history import CLASSES
from .filters import NAMES, TYPES, WORDS, Known, days, each, filters
from .living import HOST

MANY_AT_ONCE = ("status", "class", "queue", "tag", "error group", "worker", "text", "everything")
"""Kinds of filters that are asked of pages which read as the list does."""


class Page(NamedTuple):
    """Addresses that are asked in turn and measured together."""

    group: str
    what: str
    addresses: Sequence[str]


def pages(known: Known) -> list[Page]:
    """Return all there are, those of one group beside each other."""
    parts = (lists, of_jobs, logs, sums, people, of_many, programs, of_admin)
    return [page for part in parts for page in part(known)]


def named(name: str, *args: object) -> str:
    return reverse(f"jobs:{name}", args=args)


def lists(known: Known) -> Iterator[Page]:
    """Yield the list of jobs by each filter, at its top and far down, and its counts."""
    asked, deep = filters(known), known.ids()
    for kind, queries in asked.items():
        yield Page("Jobs", kind, [named("list") + one for one in queries])
    for kind, queries in asked.items():
        below = [
            f"{named('list')}{queries[n % len(queries)]}&before={place}"
            for n, place in enumerate(deep)
        ]
        yield Page("Jobs, far down", kind, below)
    last = [f"{named('list')}{one}&after=0" for one in asked["status"]]
    yield Page("Jobs, far down", "the last page", last)
    upwards = [f"{named('list')}?class={CLASSES[0]}&queue=mail&after={place}" for place in deep]
    yield Page("Jobs, far down", "upwards", upwards)
    yield Page("Jobs", "100 on a page", [f"{named('list')}?size=100"])
    for kind in ("none", *MANY_AT_ONCE):
        counted = [f"{named('list')}{one}&counts=1" for one in asked[kind]]
        yield Page("Jobs, with counts", kind, counted)
    for kind, queries in asked.items():
        yield Page("Counts", kind, [named("counts") + one for one in queries])


def of_jobs(known: Known) -> Iterator[Page]:
    """Yield the pages of one job, and of one attempt."""
    job, attempt = known.long
    yield Page("Job", "any", [named("job", one) for one in known.ids()])
    yield Page("Job", "failed", [named("job", one) for one in known.failed])
    yield Page("Job", "running", [named("job", one) for one in known.running])
    yield Page("Job", "edit", [named("edit", one) for one in known.failed])
    ended = known.attempts
    yield Page("Attempt", "ended", [named("attempt", *one[:2]) for one in ended])
    long = named("attempt", job, 1)
    places = range(0, 120_000, 6_000)
    yield Page("Attempt", "running, long log", [long])
    yield Page("Attempt", "a window of its log", [f"{long}?from={place}" for place in places])
    yield Page("Attempt", "lines before", [f"{long}?before={place}" for place in places])
    yield Page("Attempt", "around a line", [f"{long}?line={place}" for place in places])
    yield Page("Attempt", "by level", [f"{long}?level=warning", f"{long}?level=error"])
    yield Page("Attempt", "by text", [f"{long}?q=of+line+{n}7" for n in range(10)])
    yield Page("Attempt", "what came since", [f"{long}?after={n * 10**6}&row=1" for n in (0, 4)])
    yield Page("Attempt", "raw log", [named("output", job, 1), named("output", *ended[0][:2])])
    a = [f"{named('compare')}?a={pk}" for _, _, pk in ended]
    yield Page("Attempt", "compared with the last success", a)
    yield Page("Attempt", "compared", [f"{named('compare')}?a={attempt}&b={ended[0][2]}"])


def logs(known: Known) -> Iterator[Page]:
    for tab in ("", "errors"):
        address = f"{named('logs')}?tab={tab}&"
        asked = {
            "latest": [""],
            "far down": [f"before={place}" for place in known.ids()],
            "class": each(job_class=CLASSES),
            "queue": each(queue=NAMES),
            "worker": each(worker=["worker-0", HOST, "gone-1", "unknown"]),
            "time": [*each(since=["15m", "1h", "24h", "7d"]), days(5), days(12)],
            "class, queue, worker": each(job_class=CLASSES, queue=NAMES, worker=["worker-1"]),
            "class far down": [f"class={CLASSES[0]}&before={place}" for place in known.ids()],
            "level": each(level=["warning", "error"]),
            "text": each(text=["order", "line 11", *WORDS]),
            "text, class": each(text=["order", *WORDS], job_class=CLASSES),
        }
        for kind, queries in asked.items():
            yield Page(
                f"Logs{tab and ', errors'}", kind, [address + q.lstrip("?") for q in queries]
            )
    yield Page("Logs", "with a slash", [f"{named('logs')}/"])


def sums(known: Known) -> Iterator[Page]:
    """Yield the pages whose numbers are sums; each class in turn, so that none is remembered."""
    at = named("statistics")
    for name in RANGES:
        yield Page("Statistics", name, [f"{at}?range={name}"])
        of_class = [
            f"{at}{one}&range={name}" for one in each(job_class=CLASSES, queue=["", *NAMES])
        ]
        yield Page("Statistics", f"{name}, class and queue", of_class)
    at = named("errors")
    for name in WINDOWS:
        yield Page("Errors", name, [f"{at}?window={name}"])
    yield Page("Errors", "class", [at + one for one in each(job_class=CLASSES)])
    yield Page("Errors", "group", [at + one for one in each(group=known.groups)])


def people(known: Known) -> Iterator[Page]:
    """Yield the pages of queues, workers, and what people did."""
    yield Page("Queues", "all", [named("queues")])
    yield Page("Queues", "behind one", [f"{named('queues')}?after=default"])
    yield Page("Workers", "all", [named("workers")])
    now = 10**6 * 4_000_000_000
    yield Page("Workers", "gone", [f"{named('workers')}?before={now}"])
    yield Page("Operations", "all", [named("operations")])
    yield Page("Operations", "one", [named("operation", known.operation)])
    at = named("audit")
    asked = {
        "all": ["?", "?before=500"],
        "by": each(by=["bench", "nobody"]),
        "action": each(action=["retry", "pause"]),
        "job": each(job=[known.failed[0], *known.ids()]),
        "time": [*each(since=["1h", "7d"]), days(7)],
        "operation": each(operation=[known.operation]),
    }
    for kind, queries in asked.items():
        yield Page("Audit", kind, [at + one for one in queries])
        if kind in ("all", "time"):
            exported = [named("export_audit", "csv") + one for one in queries]
            yield Page("Export, its beginning", f"audit, {kind}", exported)


def of_many(known: Known) -> Iterator[Page]:
    """Yield the pages before many jobs are changed, and exports."""
    asked = filters(known)
    for name in ("confirm_retry", "confirm_cancel"):
        for kind in ("none", *MANY_AT_ONCE, "status, class", "an old day", "nothing matches"):
            addresses = [f"{named(name)}?all=1&filter={quote(one)}" for one in asked[kind]]
            yield Page("Confirm", f"{name.removeprefix('confirm_')}, {kind}", addresses)
    ticked = "&".join(f"id={one}" for one in known.failed)
    yield Page("Confirm", "retry, some", [f"{named('confirm_retry')}?{ticked}"])
    for kind in ("none", *MANY_AT_ONCE):
        for file in ("csv", "ndjson"):
            addresses = [named("export", file) + one for one in asked[kind]]
            yield Page("Export, its beginning", f"{file}, {kind}", addresses)


def programs(known: Known) -> Iterator[Page]:
    yield Page("Metrics", "all", [named("metrics")])
    yield Page("Health", "all", [named("live"), named("ready")])
    asked = filters(known)
    for kind in ("none", *MANY_AT_ONCE):
        yield Page("API", f"jobs, {kind}", [named("api_jobs") + one for one in asked[kind]])
    some = known.attempts
    yield Page("API", "job", [named("api_job", one) for one in known.ids()])
    yield Page("API", "attempts", [named("api_attempts", job) for job, _, _ in some])
    yield Page("API", "attempt", [named("api_attempt", *one[:2]) for one in some])
    for name in RANGES:
        of_class = [f"{one}&range={name}" for one in each(job_class=CLASSES, queue=["", *NAMES])]
        yield Page(
            "API", f"statistics, {name}", [named("api_statistics") + one for one in of_class]
        )
    yield Page("API", "errors", [named("api_errors") + one for one in each(job_class=CLASSES)])


def of_admin(known: Known) -> Iterator[Page]:
    def at(model: type, *args: object, of: str = "changelist") -> str:
        return reverse(f"admin:jobs_{model.__name__.lower()}_{of}", args=args)

    job_filters = {
        "all": ["", "?p=20", "?o=1", "?all="],
        "status": each(status__exact=JobStatus.values),
        "class": each(job_class=CLASSES),
        "queue": each(queue=NAMES),
        "status, class": each(job_class=CLASSES, status__exact=["failed", "running"]),
        "class, queue, text": each(job_class=CLASSES, queue=NAMES, text=CLASSES),
        "number": each(text=known.ids()),
        "name": each(text=[*CLASSES, "no.Such"]),
    }
    for kind, queries in job_filters.items():
        yield Page("Admin", f"jobs, {kind}", [at(Job) + one for one in queries])
    attempt_filters = {
        "all": ["", "?p=20", "?o=1"],
        "status": each(status__exact=["completed", "failed", "released"]),
        "reason": each(reason__exact=["exception", "timeout"]),
        "both": each(status__exact=["failed", "running"], reason__exact=["exception", "memory"]),
        "number": each(text=known.ids()),
    }
    for kind, queries in attempt_filters.items():
        yield Page("Admin", f"attempts, {kind}", [at(Attempt) + one for one in queries])
    for model in (Worker, AuditEntry, Queue, JobClass):
        found = [at(model), *(at(model) + one for one in each(text=[TYPES[0], *NAMES]))]
        yield Page(
            "Admin", str(model._meta.verbose_name_plural), found[: 1 if model is Worker else 9]
        )
    yield Page("Admin", "a job", [at(Job, one, of="change") for one in known.ids()])
    yield Page("Admin", "an attempt", [at(Attempt, one[2], of="change") for one in known.attempts])
    yield Page("Admin", "the history of a job", [at(Job, one, of="history") for one in known.ids()])
