"""Says what rows mean: sentences, durations, times."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Attempt, Job
from ..states import FINAL, AttemptStatus, JobStatus

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400


def grouped(number: float) -> str:
    """Return a number without its fraction, grouped as the language does: "10,000"."""
    return number_format(int(number), force_grouping=True)


def size(count: int | None) -> str:
    """Return a number of bytes in units of 1,024, as messages of jobs tell it: "512 bytes", "3.9 GiB"."""
    if count is None:
        return ""
    if count < 1024:
        return ngettext("%(number)s byte", "%(number)s bytes", count) % {"number": count}
    value, units = count / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while round(value, 1) >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{number_format(round(value, 1), 1)}\N{NO-BREAK SPACE}{units[0]}"


def duration(span: timedelta | None) -> str:
    """Return a span with two units at most: "40 ms", "1.4 s", "12 s", "3 min 5 s", "2 h 10 min"."""
    if span is None:
        return ""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 1:
        return _("%(number)s ms") % {"number": max(round(seconds * 1000), int(seconds > 0))}
    if seconds < 10:
        return _("%(number)s s") % {"number": number_format(round(seconds, 1), 1)}
    if seconds < MINUTE:
        return _("%(number)s s") % {"number": int(seconds)}
    if seconds < HOUR:
        return _("%(minutes)s min %(seconds)s s") % pair("minutes", "seconds", seconds, MINUTE)
    if seconds < DAY:
        return _("%(hours)s h %(minutes)s min") % pair("hours", "minutes", seconds / MINUTE, 60)
    return _("%(days)s d %(hours)s h") % pair("days", "hours", seconds / HOUR, 24)


def seconds_text(seconds: float | None) -> str:
    """Return a length of time in words, as `duration` does."""
    return duration(None if seconds is None else timedelta(seconds=seconds))


def pair(large: str, small: str, value: float, ratio: int) -> dict[str, int]:
    grouped, rest = divmod(int(value), ratio)
    return {large: grouped, small: rest}


def age(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago `moment` was, or how far ahead it is; coarse, so that pages rest."""
    seconds = ((now or timezone.now()) - moment).total_seconds()
    if abs(seconds) < MINUTE:
        return _("just now") if seconds >= 0 else _("in under a minute")
    text = coarse(abs(seconds))
    return (_("%(span)s ago") if seconds > 0 else _("in %(span)s")) % {"span": text}


def coarse(seconds: float) -> str:
    if seconds < HOUR:
        return _("%(number)s min") % {"number": int(seconds // MINUTE)}
    if seconds < 2 * DAY:
        return _("%(number)s h") % {"number": int(seconds // HOUR)}
    days = int(seconds // DAY)
    return ngettext("%(number)s day", "%(number)s days", days) % {"number": days}


def local(moment: datetime) -> str:
    """Return a time in the current zone, to the second."""
    return date_format(timezone.localtime(moment), "Y-m-d H:i:s")


def universal(moment: datetime) -> str:
    """Return a time in UTC, with the zone it is shown in beside it."""
    zone = timezone.get_current_timezone_name()
    stamp = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        stamp if zone == "UTC" else _("%(utc)s (shown in %(zone)s)") % {"utc": stamp, "zone": zone}
    )


def run_time(job: Job) -> timedelta | None:
    """Return how long the latest attempt of a job ran, or has been running."""
    if job.started_at is None or job.status not in FINAL | {JobStatus.RUNNING}:
        return None
    return max((job.finished_at or timezone.now()) - job.started_at, timedelta(0))


def wait_time(job: Job) -> timedelta | None:
    """Return how long a job has waited since it was due, or did before its latest attempt."""
    if job.status == JobStatus.QUEUED:
        return max(timezone.now() - job.run_at, timedelta(0))
    if job.started_at is None or job.status not in FINAL | {JobStatus.RUNNING}:
        return None
    # A job that was cancelled while it waited for another attempt is due after its latest one.
    return job.started_at - job.run_at if job.started_at >= job.run_at else None


def tries(job: Job) -> str:
    """Return which of its attempts a job is at, out of how many: "2/5"."""
    # An attempt is spent when it has ended; the one that runs is the next one.
    number = job.attempts_spent + (job.status == JobStatus.RUNNING)
    return f"{min(number, job.max_attempts)}/{job.max_attempts}"


def ending(attempt: Attempt) -> str:
    """Return how an attempt's process ended, as a sentence; empty where there is nothing to say."""
    if attempt.is_starting:
        return _("waiting for a process of its worker")
    if attempt.status == AttemptStatus.RUNNING:
        return ""
    if attempt.signal:
        return _("killed by %(name)s (signal %(number)s)") % {
            "name": signal_name(attempt.signal),
            "number": attempt.signal,
        }
    if attempt.exit_code:
        return _("exit code %(code)s") % {"code": attempt.exit_code}
    return ""


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return _("an unknown signal")


def status_key(row: Job | Attempt) -> str:
    """Return what its badge says: its status, or `cancelling`, or `starting`."""
    if isinstance(row, Job):
        return "cancelling" if row.is_cancelling else row.status
    return "starting" if row.is_starting else row.status


def status_label(row: Job | Attempt) -> str:
    key = status_key(row)
    special = {"cancelling": _("Cancelling"), "starting": _("Starting")}
    return special.get(key) or str(row.get_status_display())


def skip_reason(reason: str) -> str:
    """Return the words for why an operation passed a job over."""
    special = {
        "cancelling": _("Already asked to stop"),
        "changed": _("No longer matching"),
        "deleted": _("Deleted"),
    }
    return special.get(reason) or str(JobStatus(reason).label)
