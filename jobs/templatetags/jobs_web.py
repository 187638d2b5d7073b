"""Filters and tags of the dashboard's templates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..models import Operation
from ..states import JobStatus, Reason
from ..web import presentation, redaction, terminal, words
from ..web.navigation import Entry, entries
from ..web.stats import Count
from ..web.trends import share_text

register = template.Library()

register.filter("duration", presentation.duration)
register.filter("run_time", presentation.run_time)
register.filter("tries", presentation.tries)
register.filter("ending", presentation.ending)
register.filter("status_key", presentation.status_key)
register.filter("status_label", presentation.status_label)
register.filter("json_text", redaction.as_text)
register.filter("plain", terminal.plain)
register.filter("signal_name", presentation.signal_name)
register.filter("skip_reason", presentation.skip_reason)
register.filter("operation_key", words.operation_key)
register.filter("operation_icon", words.operation_icon)
register.filter("operation_label", words.operation_label)


@register.filter
def capped(count: Count) -> str:
    """Return a count with thousands separators, and a plus where there are more."""
    return f"{count.value:,}{'+' if count.capped else ''}"


register.filter("share", share_text)


@register.filter
def window_label(name: str) -> str:
    """Return the words for a window of the errors; the name of one that has none."""
    return {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days")}.get(name, name)


@register.filter
def thousands(value: int) -> str:
    return f"{value:,}"


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
    asked = words.asked_for(context["request"].user, operation)
    return " · ".join(f"{what}: {which}" for what, which in asked) or _("All jobs")


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


def _time(moment: datetime, text: str) -> SafeString:
    title = f"{presentation.local(moment)} · {presentation.universal(moment)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), title, text)
