"""Filters and tags of the dashboard's templates."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from .. import redaction
from ..models import Operation
from ..states import JobStatus, Reason
from ..web import presentation, terminal, words
from ..web.filters import JobFilter
from ..web.navigation import Entry, entries
from ..web.ranges import RANGES
from ..web.stats import Count
from ..web.trends import share_text

register = template.Library()

register.filter("duration", presentation.duration)
register.filter("size", presentation.size)
register.filter("seconds", presentation.seconds_text)
register.filter("run_time", presentation.run_time)
register.filter("wait_time", presentation.wait_time)
register.filter("tries", presentation.tries)
register.filter("ending", presentation.ending)
register.filter("status_key", presentation.status_key)
register.filter("status_label", presentation.status_label)
register.filter("json_text", redaction.as_text)
register.filter("in_short", words.in_short)
register.filter("plain", terminal.plain)
register.filter("signal_name", presentation.signal_name)
register.filter("skip_reason", presentation.skip_reason)
register.filter("operation_key", words.operation_key)
register.filter("operation_icon", words.operation_icon)
register.filter("operation_label", words.operation_label)


@register.filter
def capped(count: Count) -> str:
    """Return a count with thousands separators, and a plus where there are more."""
    return f"{presentation.grouped(count.value)}{'+' if count.capped else ''}"


register.filter("share", share_text)


@register.filter
def of(found: dict[Any, Any], key: Any) -> Any:
    """Return what a dictionary has for a key; None where it has nothing."""
    return found.get(key)


@register.filter
def span_label(name: str) -> str:
    """Return the words for a span of time, such as `24h`; the name of one that has none."""
    if name == "15m":
        return _("15 minutes")
    return str(RANGES[name].label) if name in RANGES else name


register.filter("thousands", presentation.grouped)


@register.filter
def breakable(name: str) -> SafeString:
    """Return a dotted name or a path that may be broken into lines where its parts begin."""
    return mark_safe(re.sub(r"(?<=[./])(?=\w)", "<wbr>", conditional_escape(name)))  # noqa: S308


@register.filter
def reason_label(reason: str) -> str:
    """Return the words for a reason; none for an attempt that just ended."""
    return str(Reason(reason).label) if reason and reason in Reason.values else reason


@register.filter
def action_label(action: str) -> str:
    labels = {
        "retry": _("Retried"),
        "retry_at": _("Retry asked for"),
        "cancel": _("Cancel asked for"),
        "dump": _("Stacks asked for"),
        "copy": _("Run once more"),
        "dispatch": _("Dispatched"),
        "pause": _("Paused"),
        "resume": _("Resumed"),
        "drain": _("Asked to leave"),
        "forget": _("Forgotten"),
    }
    return labels.get(action, action)


@register.filter
def from_iso(value: Any) -> datetime | None:
    """Return the aware time in a receipt's text; None where it holds none."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


@register.filter
def elapsed(since: datetime, now: datetime) -> timedelta:
    return max(now - since, timedelta(0))


@register.filter
def estimate(operation: Operation) -> Count:
    return Count(operation.estimated, operation.estimate_capped)


@register.filter
def job_status_label(status: str) -> str:
    return str(JobStatus(status).label) if status in JobStatus.values else status


@register.simple_tag(takes_context=True)
def operation_filter(context: dict[str, Any], operation: Operation) -> str:
    """Return what an operation asks for, in one line."""
    asked = words.asked_for(context["request"].user, operation, context["groups"])
    return " · ".join(f"{what}: {which}" for what, which in asked) or _("All jobs")


@register.simple_tag(takes_context=True)
def tag_address(context: dict[str, Any], name: str) -> str:
    """Return the list of the jobs with a tag, narrowed by whatever narrows the page it is on."""
    chosen = context.get("chosen")
    found = chosen if isinstance(chosen, JobFilter) else JobFilter()
    return reverse("jobs:list") + found.url(tag=name)


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> list[Entry]:
    """Return the entries at the top of the page."""
    return entries(context["request"])


@register.simple_tag
def age(moment: datetime | None) -> SafeString | str:
    """Render a time as its distance from now."""
    return _time(moment, presentation.age(moment)) if moment else ""


@register.simple_tag
def clock(moment: datetime | None) -> SafeString | str:
    """Render a time in the current zone."""
    return _time(moment, presentation.local(moment)) if moment else ""


register.simple_tag(presentation.local, name="clock_text")


def _time(moment: datetime, text: str) -> SafeString:
    title = f"{presentation.local(moment)} · {presentation.universal(moment)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), title, text)
