"""The logs of all attempts: the end of each, or the lines that match."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import F, QuerySet, Value, Window
from django.db.models.functions import Concat, RowNumber
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.utils import timezone

from ..models import Attempt, OutputChunk
from ..states import AttemptStatus
from .access import closed
from .filters import SPANS, Filter, choice, moment, text
from .log_search import Found, search
from .paging import SLOW_SPAN
from .responses import render
from .rows import PICKED, Chunk, LineFilter, Reader, Row
from .views import LARGE_OF_JOB, choices, find, links

LOGS_SHOWN = 20
TAIL_LINES, TAIL_CHUNKS = 12, 3
"""How much of each attempt is shown: lines, out of so many stored pieces."""

Kept = TypeVar("Kept", Attempt, OutputChunk)


@dataclass(frozen=True)
class LogFilter(Filter):
    tab: str = ""
    worker: str = ""
    """Host name."""
    since: str = ""
    until: str = ""
    """Moments, as `moment` reads them, between which an attempt was claimed."""
    level: str = ""
    text: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        picked = LineFilter.parse(query)
        return {
            "tab": choice(query, "tab", ["errors"]),
            "worker": text(query, "worker", 255).strip(),
            "since": text(query, "since", 40).strip(),
            "until": text(query, "until", 40).strip(),
            "level": picked.level,
            "text": picked.text,
        }

    @property
    def picked(self) -> LineFilter:
        return LineFilter(self.level, self.text)

    @property
    def narrows(self) -> bool:
        return self != type(self)(
            tab=self.tab, size=self.size, before=self.before, after=self.after
        )

    @property
    def searches(self) -> bool:
        return self.narrows

    @property
    def looks_through(self) -> int:
        return SLOW_SPAN

    def cleared(self) -> str:
        """Return the query string of the same tab without what narrows it."""
        return type(self)(tab=self.tab).url()

    def among(self, rows: QuerySet[Kept], attempt: str = "") -> QuerySet[Kept]:
        """Return those of `rows` whose attempt is asked for; `attempt` is the way to it, as of lookups.

        The class and the queue of its job are compared as what no index holds: led by that of a
        class, SQLite would read every job of it.
        """
        now = timezone.now()
        asked = {
            "plain_class": self.job_class,
            "plain_queue": self.queue,
            f"{attempt}worker__hostname": self.worker,
            f"{attempt}claimed_at__gte": moment(self.since, now),
            f"{attempt}claimed_at__lt": moment(self.until, now),
            f"{attempt}status": AttemptStatus.FAILED if self.tab else "",
        }
        plain = {
            "plain_class": Concat(f"{attempt}job__job_class", Value("")),
            "plain_queue": Concat(f"{attempt}job__queue", Value("")),
        }
        given = {name: value for name, value in asked.items() if value}
        used = {name: expression for name, expression in plain.items() if name in given}
        return rows.alias(**used).filter(**given)

    def matching(self) -> QuerySet[Attempt]:
        return self.among(Attempt.objects.all())


@closed("view_job", "view_job_logs")
def show_logs(request: HttpRequest) -> HttpResponseBase:
    chosen = LogFilter.parse(request.GET)
    context = {
        "chosen": chosen,
        "levels": PICKED,
        "spans": SPANS,
        "main_url": chosen.url(tab=""),
        "errors_url": chosen.url(tab="errors"),
        **choices(chosen),
    }
    shown = found_lines(chosen) if chosen.picked.narrows else latest_attempts(chosen)
    return render(request, "jobs/logs.html", context | shown)


def latest_attempts(chosen: LogFilter) -> dict[str, Any]:
    """Return the newest attempts with the end of their output."""
    unread = ["receipt", "samples", *(f"job__{name}" for name in LARGE_OF_JOB)]
    attempts = chosen.matching().select_related("job", "worker").defer(*unread)
    page = find(chosen, attempts, LOGS_SHOWN)
    ends = tails(page.rows)
    entries = [(attempt, ends.get(attempt.pk, [])) for attempt in page.rows]
    return {"page": page, "entries": entries, **links(chosen, page)}


def found_lines(chosen: LogFilter) -> dict[str, Any]:
    """Return the newest lines that match, by attempt."""
    wanted = chosen.among(OutputChunk.objects.all(), "attempt__")
    found = search(wanted, chosen.picked, chosen.before)
    older_url = chosen.url(before=found.older) if found.older is not None else None
    newer_url = chosen.url() if chosen.before is not None else None
    return {
        "found": found,
        "entries": found.entries,
        "rests": rests(found, chosen.picked),
        "older_url": older_url,
        "newer_url": newer_url,
        "clear_url": chosen.cleared(),
    }


def rests(found: Found, picked: LineFilter) -> dict[int, tuple[int, str]]:
    """Return attempt → how many of its matches are not on the page, and where they are: in its log."""
    told = {}
    for attempt, rows in found.entries:
        if count := found.unshown.get(attempt.pk):
            place = urlencode(picked.pairs() | {"before": rows[0].number})
            told[attempt.pk] = (count, f"{attempt.get_absolute_url()}?{place}")
    return told


def tails(attempts: Iterable[Attempt]) -> dict[int, list[Row]]:
    """Return the last rows of each attempt's output by its id, with one query."""
    ranked = OutputChunk.objects.filter(attempt__in=list(attempts)).annotate(
        rank=Window(RowNumber(), partition_by=F("attempt"), order_by=F("position").desc())
    )
    latest = ranked.filter(rank__lte=TAIL_CHUNKS).order_by("attempt", "position")
    readers: dict[int, Reader] = {}
    rows: dict[int, deque[Row]] = {}
    for chunk in latest:
        # What precedes the tail was not read, which is no gap.
        reader = readers.setdefault(chunk.attempt_id, Reader(position=chunk.position))
        found = rows.setdefault(chunk.attempt_id, deque(maxlen=TAIL_LINES))
        if reader.row and found:
            found.pop()
        found.extend(reader.rows([Chunk.of(chunk)]))
    return {attempt_id: list(found) for attempt_id, found in rows.items()}
