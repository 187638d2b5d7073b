"""The entries at the top of every page."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from .responses import permission


class Entry(NamedTuple):
    label: str
    url: str
    key: str
    """The letter that leads to it, after g."""
    current: bool


ENTRIES = (
    ("list", _("Jobs"), "j", (), ("job", "edit", "confirm_retry", "confirm_cancel")),
    ("logs", _("Logs"), "l", ("view_job_logs",), ("attempt", "compare")),
    ("statistics", _("Statistics"), "s", (), ()),
    ("errors", _("Errors"), "e", (), ("error",)),
    ("queues", _("Queues"), "q", (), ("queue",)),
    ("workers", _("Workers"), "w", (), ("worker",)),
    ("operations", _("Operations"), "o", (), ("operation",)),
    ("audit", _("Audit"), "a", (), ()),
)
"""URL name, label, letter, permissions beside `view_job`, and the URL names of the pages within."""


def entries(request: HttpRequest) -> list[Entry]:
    """Return the entries that exist and that the visitor may open."""
    here = request.resolver_match.url_name if request.resolver_match else None
    found = []
    for name, label, key, codenames, inner in ENTRIES:
        allowed = all(request.user.has_perm(permission(one)) for one in codenames)
        if allowed and (url := address(name)):
            found.append(Entry(str(label), url, key, here in (name, *inner)))
    return found


def address(name: str) -> str:
    try:
        return reverse(f"jobs:{name}")
    except NoReverseMatch:
        return ""
