"""Filters of the templates that show logs."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from ..web.endings import exit_sentence
from ..web.presentation import size
from ..web.rows import Row
from ..web.terminal import Segment

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


@register.simple_tag
def log_rows(
    rows: Iterable[Row], base: str, asked: int | None = None, short: bool = False
) -> SafeString:
    """Return lines of a log as items of a list, that with the number `asked` for marked.

    Not a template: a page has a thousand of them, and each would take ten times as long. What comes
    from outside is escaped here, all of it: `base`, the source, and the text with its styles.
    """
    base = escape(base)
    found = "".join(
        place_between(row, base)
        if row.gap or row.skipped
        else line(row, base, row.number == asked, short)
        for row in rows
    )
    return mark_safe(found)  # noqa: S308


def place_between(row: Row, base: str) -> str:
    """Return the item that stands for lines which are not there."""
    if row.gap:
        cut = size(row.gap)
        return f'<li class="gap">{escape(_("%(size)s not kept") % {"size": cut})}</li>'
    told = _("Too much came at once to be followed: show it from line %(line)s")
    link = f'<a href="{base}?from={row.skipped:d}">{escape(told % {"line": row.skipped})}</a>'
    return f'<li class="gap">{link}</li>'


def line(row: Row, base: str, is_asked: bool, is_short: bool) -> str:
    number, source, iso = f"{row.number:d}", escape(row.source), row.iso
    place = "" if is_short or row.rest else f' id="L{number}"'
    over = " data-over" if row.overwrites else ""
    before = cut(_("began before")) if row.rest else ""
    after = cut(_("line cut here")) if row.is_cut else ""
    text = "".join(map(shown, row.segments))
    return (
        f'<li{place} class="{source}{" asked" if is_asked else ""}"{over}>'
        f'<a href="{base}?line={number}#L{number}">{number}</a>'
        f'<time datetime="{iso}" title="{iso}">{row.clock}</time>'
        f"<i>{'' if row.source == 'out' else source}</i><code>{before}{text}{after}</code></li>"
    )


def shown(part: Segment) -> str:
    text = escape(part.text)
    return f'<span class="{escape(part.style)}">{text}</span>' if part.style else text


def cut(words: str) -> str:
    return f'<span class="cut">{escape(words)}</span>'
