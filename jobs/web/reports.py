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
from ..fingerprints import DIGITS
from . import attention, trends
from .access import closed
from .charts import MARKED
from .filters import Filter, choice, text
from .glance import glance
from .ranges import RANGES
from .responses import render
from .trends import CLASSES_SHOWN, COLUMNS, ClassRow, TrendFilter
from .views import choices

GROUPS_SHOWN = 100


@dataclass(frozen=True)
class ErrorFilter(Filter):
    """Of which class, which one alone, and in which window the groups are compared."""

    window: str = "24h"
    group: str = ""

    @classmethod
    def own(cls, query: Any) -> dict[str, Any]:
        window = choice(query, "window", list(WINDOWS)) or "24h"
        return {"window": window, "group": text(query, "group", DIGITS)}


@closed("view_job")
def show_stats(request: HttpRequest) -> HttpResponseBase:
    chosen, now = TrendFilter.parse(request.GET), timezone.now()
    told = trends.report(chosen, now)
    seen = glance(chosen, told.start)
    context = {
        "chosen": chosen,
        "ranges": [(one.label, chosen.url(range=one.name), one) for one in RANGES.values()],
        "attention": attention.look(now, seen.offered["queues"], seen.running),
        "report": told,
        "charts": trends.charts(told, seen.deploys),
        "deploys": seen.deploys[:MARKED],
        "more_deploys": len(seen.deploys) > MARKED,
        "columns": [(key, title, chosen.url(sort=key)) for key, (title, _) in COLUMNS.items()],
        "rows": [(row, *links_of(row, chosen)) for row in told.classes[:CLASSES_SHOWN]],
        "hidden": max(len(told.classes) - CLASSES_SHOWN, 0),
        "clear_url": chosen.url(job_class="", queue=""),
        **seen.offered,
    }
    return render(request, "jobs/stats.html", context)


def links_of(row: ClassRow, chosen: TrendFilter) -> tuple[str, str, str]:
    """Return the addresses of the row's charts, of its jobs of that time, and of its failed ones."""
    asked = {"class": row.job_class, "queue": chosen.queue, "since": chosen.range}
    asked = {name: value for name, value in asked.items() if value}
    jobs = listed(asked)
    return chosen.url(job_class=row.job_class), jobs, listed(asked | {"status": "failed"})


@closed("view_job")
def show_errors(request: HttpRequest) -> HttpResponseBase:
    chosen, now = ErrorFilter.parse(request.GET), timezone.now()
    groups = error_groups.most_frequent(
        now,
        window=chosen.window,
        job_class=chosen.job_class,
        fingerprint=chosen.group,
        limit=GROUPS_SHOWN + 1,
    )
    context = {
        "chosen": chosen,
        "windows": [(name, chosen.url(window=name)) for name in WINDOWS],
        "rows": [row_of(group) for group in groups[:GROUPS_SHOWN]],
        "more": len(groups) > GROUPS_SHOWN,
        "clear_url": chosen.url(job_class="", group=""),
        **choices(chosen),
    }
    return render(request, "jobs/errors.html", context)


def row_of(group: Group) -> tuple[Group, Spark, str, str]:
    """Return a group, its drawing, and the addresses of its failed jobs and of retrying them."""
    asked = failed_jobs(group)
    everything = urlencode({"filter": f"?{urlencode(asked)}", "all": "1"})
    retry = "" if group.is_rest else f"{reverse('jobs:confirm_retry')}?{everything}"
    return group, Spark(group.spark), listed(asked), retry


def failed_jobs(group: Group) -> dict[str, str]:
    """Return the filter that finds the failed jobs of a group; of the rest of a class, all of it."""
    if group.is_rest:
        return {"status": "failed", "class": group.job_class}
    return {"status": "failed", "group": group.fingerprint}


def listed(asked: dict[str, str]) -> str:
    return f"{reverse('jobs:list')}?{urlencode(asked)}"


@dataclass(frozen=True)
class Spark:
    """A small row of bars, one for each value, drawn into a box of `width` times `height`."""

    values: list[int]
    slot, bar = 4, 3
    height = 24

    @property
    def width(self) -> int:
        return self.slot * len(self.values)

    @property
    def path(self) -> str:
        """Return the outline of all bars: as elements of their own they take most of a page's time."""
        most = max(self.values, default=0)
        heights = [max(value / most * self.height, 1.0) if value else 0.0 for value in self.values]
        return "".join(
            f"M{place * self.slot} {self.height}v-{tall:.1f}h{self.bar}V{self.height}z"
            for place, tall in enumerate(heights)
            if tall
        )
