"""Says in the visitor's language why a job cannot be dispatched.

The errors themselves are in English, whoever reads them: they stand in logs and terminals, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.utils.translation import gettext as _

from ..exceptions import JobError

_PATH = r"[^\s:]+: (?P<path>[^:]+): "
KNOWN: tuple[tuple[re.Pattern[str], Callable[[], str]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in (
        (
            rf"{_PATH}expected (?P<expected>.+?), got (?P<got>.+)",
            lambda: _("Argument %(path)s: expected %(expected)s, got %(got)s"),
        ),
        (r"\S+ needs the argument '(?P<name>.+)'", lambda: _("Argument %(name)s is missing")),
        (
            r"\S+ has no argument '(?P<name>.+?)'.*",
            lambda: _("There is no argument %(name)s"),
        ),
        (
            rf"{_PATH}(?P<object>.+) no longer exists",
            lambda: _("Argument %(path)s: there is no %(object)s (any more)"),
        ),
        (
            rf"{_PATH}(?P<value>.+) is no primary key of (?P<model>\S+)",
            lambda: _("Argument %(path)s: %(value)s is no primary key of %(model)s"),
        ),
        (
            r"\S+: its arguments take (?P<size>\S+) bytes of JSON; (?P<limit>\S+) are allowed",
            lambda: _("The arguments take %(size)s bytes of JSON; %(limit)s are allowed"),
        ),
        (
            r"\S+: priority is (?P<value>.+?): .*",
            lambda: _("The priority is %(value)s: it must be a whole number from -100 to 100"),
        ),
        (
            r"\S+: queue is (?P<value>.+): .*",
            lambda: _("The queue is %(value)s: it must be up to 100 characters without a comma"),
        ),
        (
            r"\S+: a tag is (?P<value>.+): .*",
            lambda: _("A tag is %(value)s: it must be printable characters without a comma"),
        ),
        (rf"{_PATH}(?P<what>.+)", lambda: _("Argument %(path)s: %(what)s")),
    )
)
"""How an error reads → the words for it; the first that fits is taken."""


def told(error: Exception) -> str:
    """Return the words for an error; as it is where it is of no known kind."""
    text = str(error)
    for pattern, words in KNOWN if isinstance(error, JobError) else ():
        if match := pattern.fullmatch(text):
            return words() % match.groupdict()
    return text
