"""The pages of statistics and of errors. All they show of finished jobs comes from sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from .. import error_groups
from ..error_groups import WINDOWS, Group
from ..fingerprints import DOTS
from . import attention, trends
from .access import closed
from .filters import SPANS, Filter, choice
from .ranges import RANGES
from .responses import permission, render
from .trends import CLASSES_SHOWN, COLUMNS, ClassRow, TrendFilter
from .views import choices

GROUPS_SHOWN = 100
LEAST_SEARCHED = 4
"""Characters of a message that are worth looking for."""


@dataclass(frozen=True)
class ErrorFilter(Filter):
    """Of which class, and in which window the groups are compared."""

    window: str = "24h"

    @classmethod
    def own(cls, query: Any) -> dict[str, Any]:
        return {"window": choice(query, "window", list(WINDOWS)) or "24h"}


@closed("view_job")
def show_stats(request: HttpRequest) -> HttpResponseBase:
    chosen, now = TrendFilter.parse(request.GET), timezone.now()
    told, offered = trends.report(chosen, now), choices(chosen)
    context = {
        "chosen": chosen,
        "ranges": [(one.label, chosen.url(range=one.name), one) for one in RANGES.values()],
        "attention": attention.look(now, offered["queues"]),
        "report": told,
        "charts": trends.charts(told),
        "columns": [(key, title, chosen.url(sort=key)) for key, (title, _) in COLUMNS.items()],
        "rows": [(row, *links_of(row, chosen)) for row in told.classes[:CLASSES_SHOWN]],
        "hidden": max(len(told.classes) - CLASSES_SHOWN, 0),
        "clear_url": chosen.url(job_class="", queue=""),
        **offered,
    }
    return render(request, "jobs/stats.html", context)


def links_of(row: ClassRow, chosen: TrendFilter) -> tuple[str, str, str]:
    """Return the addresses of the row's charts, of its jobs of that time, and of its failed ones."""
    asked = {"class": row.job_class}
    if chosen.queue:
        asked["queue"] = chosen.queue
    if chosen.range in SPANS:
        asked["since"] = chosen.range
    jobs = listed(asked)
    return chosen.url(job_class=row.job_class), jobs, listed(asked | {"status": "failed"})


@closed("view_job")
def show_errors(request: HttpRequest) -> HttpResponseBase:
    chosen, now = ErrorFilter.parse(request.GET), timezone.now()
    groups = error_groups.most_frequent(
        now, window=chosen.window, job_class=chosen.job_class, limit=GROUPS_SHOWN + 1
    )
    reads = request.user.has_perm(permission("view_job_logs"))
    context = {
        "chosen": chosen,
        "windows": [(name, chosen.url(window=name)) for name in WINDOWS],
        "rows": [row_of(group, reads) for group in groups[:GROUPS_SHOWN]],
        "more": len(groups) > GROUPS_SHOWN,
        "clear_url": chosen.url(job_class=""),
        **choices(chosen),
    }
    return render(request, "jobs/errors.html", context)


def row_of(group: Group, reads_messages: bool) -> tuple[Group, Spark, str, str]:
    """Return a group, its drawing, and the addresses of its failed jobs and of retrying them."""
    asked = failed_jobs(group, reads_messages)
    everything = urlencode({"filter": f"?{urlencode(asked)}", "all": "1"})
    retry = "" if group.is_rest else f"{reverse('jobs:confirm_retry')}?{everything}"
    return group, Spark(group.spark), listed(asked), retry


def failed_jobs(group: Group, reads_messages: bool) -> dict[str, str]:
    """Return the filter that finds the failed jobs of a group: by class, by error and, for those who
    may read messages, by the longest part of the message that does not vary."""
    asked = {"status": "failed", "class": group.job_class}
    if group.is_rest:
        return asked
    asked["error"] = group.error_type
    longest = max(group.message.split(DOTS), key=len).strip()
    if reads_messages and len(longest) >= LEAST_SEARCHED:
        asked["q"] = longest
    return asked


def listed(asked: dict[str, str]) -> str:
    return f"{reverse('jobs:list')}?{urlencode(asked)}"


@dataclass(frozen=True)
class Spark:
    """A small row of bars, one for each value, drawn into a box of `width` times `height`."""

    values: list[int]
    slot = 4
    height = 24

    @property
    def width(self) -> int:
        return self.slot * len(self.values)

    @property
    def bars(self) -> list[tuple[int, float, float]]:
        """Return left edge, upper edge and height of each bar."""
        most = max(self.values, default=0)
        heights = [max(value / most * self.height, 1.0) if value else 0.0 for value in self.values]
        return [
            (place * self.slot, round(self.height - tall, 1), round(tall, 1))
            for place, tall in enumerate(heights)
            if tall
        ]
