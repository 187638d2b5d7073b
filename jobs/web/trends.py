"""What the page of statistics says of a time, from sums alone: charts, and a table by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import statistics
from ..histograms import Histogram
from ..statistics import Counts, Step, Summary
from .charts import MARKED, Chart, Deploy, Series
from .filters import Filter, choice
from .presentation import grouped, seconds_text, size
from .ranges import DEFAULT, RANGES, Range

CLASSES_SHOWN = 100
RESTS = timedelta(minutes=10)
"""What ended so long ago is read once in that time: an outcome may be recorded a little late."""
K = TypeVar("K")


@dataclass(frozen=True)
class TrendFilter(Filter):
    """Which time, of which class and queue, and in which order the classes stand."""

    range: str = DEFAULT
    sort: str = "time"

    @classmethod
    def own(cls, query: Any) -> dict[str, Any]:
        return {
            "range": choice(query, "range", list(RANGES)) or DEFAULT,
            "sort": choice(query, "sort", list(COLUMNS)) or "time",
        }


@dataclass(frozen=True)
class ClassRow:
    """What the jobs of one class did in that time."""

    job_class: str
    summary: Summary

    @property
    def name(self) -> str:
        return self.job_class.rpartition(".")[2]

    @property
    def runs(self) -> int:
        """Attempts that ran."""
        return self.summary.ran.total

    def percentile(self, percent: float) -> float:
        return self.summary.ran.percentile(percent) or 0.0

    @property
    def cells(self) -> dict[str, str]:
        """Key of a column → its text."""
        ran, peak = self.summary.ran, self.summary.peak_rss
        spans = {f"p{percent}": ran.percentile(percent) for percent in (50, 95, 99)}
        return {
            "runs": grouped(self.runs),
            "failed": share_text(self.summary.counts.failure_rate),
            **{key: "–" if value is None else seconds_text(value) for key, value in spans.items()},
            "time": seconds_text(self.summary.ran_seconds),
            "memory": size(peak) if peak else "–",
        }


COLUMNS: dict[str, tuple[Any, Callable[[ClassRow], Any]]] = {
    "class": (gettext_lazy("Class"), lambda row: row.job_class),
    "runs": (gettext_lazy("Runs"), lambda row: -row.runs),
    "failed": (gettext_lazy("Failed"), lambda row: -(row.summary.counts.failure_rate or 0)),
    "p50": (gettext_lazy("p50"), lambda row: -row.percentile(50)),
    "p95": (gettext_lazy("p95"), lambda row: -row.percentile(95)),
    "p99": (gettext_lazy("p99"), lambda row: -row.percentile(99)),
    "time": (gettext_lazy("Total time"), lambda row: -row.summary.ran_seconds),
    "memory": (gettext_lazy("Peak memory"), lambda row: -row.summary.peak_rss),
}
"""Key → heading, and by what the classes are ordered: largest first, names by the alphabet."""


@dataclass(frozen=True)
class Report:
    """The sums of a time: as a whole, in steps, and by class."""

    range: Range
    start: datetime
    end: datetime
    steps: list[Step]
    classes: list[ClassRow]
    """All of them; a page shows the first."""

    @cached_property
    def whole(self) -> Summary:
        return sum((step.summary for step in self.steps), statistics.NOTHING)

    @property
    def is_empty(self) -> bool:
        return self.whole.counts == Counts()


def report(chosen: TrendFilter, now: datetime) -> Report:
    """Read the sums of the chosen time."""
    found = read(RANGES[chosen.range], chosen.job_class, chosen.queue, now)
    order = COLUMNS[chosen.sort][1]
    classes = sorted(found.classes, key=lambda row: (order(row), row.job_class))
    return replace(found, classes=classes)


def read(which: Range, job_class: str, queue: str, now: datetime) -> Report:
    """Read what ended lately, and add what ended before from memory: that has come to rest."""
    start, split = which.start(now), resting(now)
    past, by_class = _past(which.name, job_class, queue, start, split)
    rows = statistics.between(split, now, job_class=job_class, queue=queue)
    latest, latest_by_class = statistics.trend_by_class(rows, split, now, which.step)
    steps = _added({one.start: one.summary for one in past}, {s.start: s.summary for s in latest})
    classes = [ClassRow(*pair) for pair in _added(by_class, latest_by_class).items()]
    return Report(which, start, now, [Step(*pair) for pair in steps.items()], classes)


def resting(now: datetime) -> datetime:
    """Return the time before which nothing more is recorded, but for what is very late."""
    seconds = int(RESTS.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC) - RESTS


def _added(known: dict[K, Summary], more: dict[K, Summary]) -> dict[K, Summary]:
    both = dict(known)
    for key, summary in more.items():
        both[key] = both.get(key, statistics.NOTHING) + summary
    return both


@lru_cache(maxsize=16)
def _past(
    name: str, job_class: str, queue: str, start: datetime, end: datetime
) -> tuple[list[Step], dict[str, Summary]]:
    """Read the steps before `end`; the arguments change whenever something has come to rest."""
    rows = statistics.between(start, end, job_class=job_class, queue=queue)
    return statistics.trend_and_classes(rows, start, end, RANGES[name].step)


def charts(told: Report, deploys: Sequence[Deploy] = ()) -> list[Chart]:
    """Return the charts of a report, with the latest of `deploys` marked in them."""
    starts = [one.start for one in told.steps]
    common = {"starts": starts, "step": told.range.step, "deploys": deploys[:MARKED]}
    summaries = [one.summary for one in told.steps]
    return [
        _throughput(told.whole, summaries, common),
        _spans("wait", _("Wait"), [one.waited for one in summaries], common),
        _spans("run", _("Run time"), [one.ran for one in summaries], common),
        _failures(told.whole, summaries, common),
        _memory(told.whole, summaries, common),
    ]


def _throughput(whole: Summary, summaries: list[Summary], common: dict[str, Any]) -> Chart:
    counts = [one.counts for one in summaries]
    outcomes = [
        Series("completed", _("Completed"), [one.completed for one in counts]),
        Series("retrying", _("Failed, retried"), [one.retried for one in counts]),
        Series("failed", _("Failed"), [one.failed for one in counts]),
        Series("cancelled", _("Cancelled"), [one.cancelled for one in counts]),
    ]
    return Chart(
        "throughput",
        _("Throughput"),
        _("How many jobs and attempts ended how, in each step."),
        outcomes,
        words=grouped,
        stacked=True,
        total=_("%(n)s jobs finished") % {"n": grouped(whole.counts.finished)},
        **common,
    )


def _failures(whole: Summary, summaries: list[Summary], common: dict[str, Any]) -> Chart:
    rates = [one.counts.failure_rate for one in summaries]
    return Chart(
        "failures",
        _("Failure rate"),
        _("The failed share of the attempts that completed or failed."),
        [Series("failed", _("Failed"), rates)],
        words=share_text,
        total=share_text(whole.counts.failure_rate),
        **common,
    )


def _memory(whole: Summary, summaries: list[Summary], common: dict[str, Any]) -> Chart:
    peaks = [one.peak_rss or None for one in summaries]
    return Chart(
        "memory",
        _("Peak memory"),
        _("The most memory that any one attempt had."),
        [Series("running", _("Largest"), peaks)],
        words=lambda value: size(int(value)),
        total=size(whole.peak_rss) if whole.peak_rss else "",
        **common,
    )


def _spans(key: str, title: str, histograms: list[Histogram], common: dict[str, Any]) -> Chart:
    whole = sum(histograms, Histogram())
    percentiles = {percent: [one.percentile(percent) for one in histograms] for percent in (50, 95)}
    described = {
        "wait": _("From when attempts were due until a process had them."),
        "run": _("From then until they ended."),
    }
    median, most = whole.percentile(50), whole.percentile(95)
    total = ""
    if median is not None and most is not None:
        total = f"p50 {seconds_text(median)} · p95 {seconds_text(most)}"
    return Chart(
        key,
        title,
        described[key],
        [
            Series("median", _("p50: half are below"), percentiles[50]),
            Series("most", _("p95: 19 of 20 are below"), percentiles[95]),
        ],
        words=seconds_text,
        total=total,
        **common,
    )


def share_text(share: float | None) -> str:
    """Return a share of 1 in percent."""
    if share is None:
        return "–"
    percent = 100 * share
    places = 0 if percent >= 10 or percent == 0 else 1
    return f"{number_format(round(percent, places), places)} %"
