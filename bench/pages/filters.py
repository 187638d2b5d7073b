"""Every kind of filter of the list of jobs, as query strings that ask for different ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from jobs.models import Attempt, Job, Operation
from jobs.states import AttemptStatus, JobStatus

from ..history import CLASSES, ERRORS, QUEUES
from .living import HOST

VARIANTS = 20
"""Different addresses of one kind, where there are so many."""
TYPES = [kind for kind, _ in ERRORS]
NAMES = sorted(set(QUEUES))
WORDS = ("newsletter", "no address", "vat_rate", "no such thing")


@dataclass(frozen=True)
class Known:
    """What there is in the database: enough to ask for it."""

    count: int
    """Finished jobs: their ids begin at 1."""
    running: Sequence[int]
    failed: Sequence[int]
    groups: Sequence[str]
    long: tuple[int, int]
    """Job and id of the attempt with a long log."""
    attempts: Sequence[tuple[int, int, int]]
    """Job, number and id of attempts with output."""
    operation: int

    @classmethod
    def read(cls, count: int) -> Known:
        running = Attempt.objects.filter(status=AttemptStatus.RUNNING).order_by("pk")
        ended = Attempt.objects.exclude(status=AttemptStatus.RUNNING).order_by("-pk")
        failed = list(Job.objects.filter(status=JobStatus.FAILED).order_by("-pk")[:400])
        of_groups = {str(job.error_group): job for job in failed}
        return cls(
            count,
            [one.job_id for one in running],
            [job.pk for job in failed[::20]],
            sorted(of_groups)[:VARIANTS],
            (running[0].job_id, running[0].pk),
            list(ended.values_list("job_id", "number", "pk")[:VARIANTS]),
            Operation.objects.latest("pk").pk,
        )

    def ids(self) -> list[int]:
        """Return ids of jobs from all over the table, the same ones each time."""
        chance = Random(7)
        return [chance.randint(1, self.count) for _ in range(VARIANTS)]


def query(**asked: Any) -> str:
    """Return a query string; `job_class` and `since_` stand for words that Python or Django keeps."""
    names = {"job_class": "class", "text": "q"}
    return "?" + urlencode({names.get(name, name): value for name, value in asked.items()})


def each(**asked: Sequence[Any]) -> list[str]:
    """Return query strings with the n-th of each of the values, the shorter ones taken in turn."""
    longest = max(map(len, asked.values()))
    return [
        query(**{name: values[n % len(values)] for name, values in asked.items()})
        for n in range(longest)
    ]


def filters(known: Known) -> dict[str, list[str]]:
    """Return kind of filter → query strings."""
    tags = ["nightly", *(f"customer:{n}" for n in range(0, 997, 55))]
    orders = [f"order_id:{number}" for number in known.ids()]
    newest = [f"order_id:{known.count - number}" for number in range(1, VARIANTS)]
    return {
        "none": ["?"],
        "status": each(status=JobStatus.values),
        "class": each(job_class=CLASSES),
        "queue": each(queue=NAMES),
        "tag": each(tag=tags),
        "parent": each(parent=[known.running[0], *known.ids()]),
        "error group": each(group=known.groups),
        "worker": each(worker=["worker-0", "worker-1", HOST, "gone-1", "unknown"]),
        "error type": each(error=TYPES),
        "time": each(since=["15m", "1h", "24h", "7d", "30d"]),
        "an old day": [days(ago) for ago in range(5, 25)],
        "argument": each(argument=[*orders[:6], *newest[:6]]),
        "text": each(text=WORDS),
        "number": each(text=known.ids()),
        **together(known, tags),
    }


def together(known: Known, tags: list[str]) -> dict[str, list[str]]:
    """Return filters by several things at once, few of which any index holds."""
    failed = [JobStatus.FAILED]
    return {
        "status, class": each(job_class=CLASSES, status=["failed", "cancelled", "running"]),
        "status, group": each(status=failed, group=known.groups),
        "status, tag": each(tag=tags, status=failed),
        "class, queue": each(job_class=CLASSES, queue=NAMES),
        "class, time": each(job_class=CLASSES, since=["1h", "7d"]),
        "failed, text": each(status=failed, text=WORDS),
        "class, error, worker": each(job_class=CLASSES, error=TYPES, worker=["worker-1"]),
        "tag, worker, text": each(tag=tags, worker=["worker-1"], text=WORDS),
        "nothing matches": each(queue=["no such"], job_class=CLASSES, error=["Nothing"]),
        "everything": each(
            job_class=CLASSES,
            queue=NAMES,
            tag=tags,
            worker=["worker-1"],
            status=failed,
            error=TYPES,
            since=["30d"],
            text=WORDS,
        ),
    }


def days(ago: int) -> str:
    """Return the query string of the jobs of one day."""
    since, until = (timezone.now() - timedelta(days=n) for n in (ago, ago - 1))
    return query(since=f"{since:%Y-%m-%dT%H:%M}", until=f"{until:%Y-%m-%dT%H:%M}")
