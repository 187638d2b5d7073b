"""Filters of the templates that show logs."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

from ..web.endings import exit_sentence

register = template.Library()

register.filter("exit_sentence", exit_sentence)


@register.filter
def level_label(level: str) -> str:
    """Return the words for a value of the level filter."""
    words = {
        "out": _("Standard output"),
        "err": _("Standard error"),
        "debug": _("Log records: debug and above"),
        "info": _("Log records: info and above"),
        "warning": _("Log records: warning and above"),
        "error": _("Log records: error and above"),
    }
    return words.get(level, level)


@register.filter
def span_label(span: str) -> str:
    """Return the words for a time that a filter offers to begin at."""
    words = {
        "15m": _("15 minutes"),
        "1h": _("1 hour"),
        "24h": _("24 hours"),
        "7d": _("7 days"),
        "30d": _("30 days"),
    }
    return words.get(span, span)
