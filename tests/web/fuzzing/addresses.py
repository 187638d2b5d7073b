"""Every address that the resolver knows, and ways to fill its places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

PLACE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
"""A part of a route that a request fills, as `path` and as `re_path` write it."""


@dataclass(frozen=True)
class Address:
    route: str
    """As `ResolverMatch.route` has it."""
    name: str
    """With its namespace; empty for the few that have none."""

    @property
    def is_ours(self) -> bool:
        """Whether it belongs to the dashboard or the API, and not to the admin."""
        return not self.route.startswith("admin/")

    def filled(self, value: Callable[[str], str]) -> str:
        """Return the path in which `value` of its name stands in each place."""
        return "/" + PLACE.sub(lambda found: value(found[1] or found[2]), self.route).rstrip("$")


def addresses() -> list[Address]:
    return list(_below(get_resolver().url_patterns, "", ""))


def _below(
    patterns: Iterable[URLPattern | URLResolver], route: str, space: str
) -> Iterable[Address]:
    for one in patterns:
        own = str(one.pattern)
        if route and isinstance(one.pattern, RegexPattern):
            own = own.removeprefix("^")
        if isinstance(one, URLResolver):
            inner = f"{one.namespace}:" if one.namespace else space
            yield from _below(one.url_patterns, route + own, inner)
        else:
            yield Address(route + own, f"{space}{one.name}" if one.name else "")
