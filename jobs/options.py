"""What a job class and a call of `dispatch()` may say: options, their types and limits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from .conf import Bytes, Delay, Delays, Seconds, explain
from .exceptions import InvalidJobClass, InvalidOption

LONGEST_QUEUE = 100
"""Characters of a queue's name."""
FARTHEST = 100 * 365 * 86_400
"""Seconds from now to the latest time a job may be due."""

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]

OPTIONS: dict[str, Any] = {
    "queue": Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_QUEUE)],
    "priority": Annotated[int, msgspec.Meta(ge=-100, le=100)],
    "max_attempts": Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None,
    "retry_delay": Delay | Delays | None,
    "timeout": Seconds | None,
    "memory_limit": Bytes | None,
    "isolation": Literal["warm", "fresh"] | None,
    "tags": Annotated[list[Tag], msgspec.Meta(max_length=10)],
    "abstract": bool,
    "aliases": list[Annotated[str, msgspec.Meta(pattern=r"^\w+\.\w+$", max_length=200)]],
}
"""Option → type of its values."""

METHODS = {"retry_delay": ("self", "attempt", "exception"), "tags": ("self",)}
"""Options that may be methods → what these are called with."""


def check_option(label: str, name: str, value: Any) -> None:
    """Raise InvalidOption, naming `label` and the option, unless `value` is possible for it."""
    kind = OPTIONS[name]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidOption(f"{label}: {name} is {value!r}: {explain(str(error), kind)}") from None
    if name == "queue" and not _is_plain(value):
        raise InvalidOption(f"{label}: queue is {value!r}: expected {PLAIN}")
    if name == "tags":
        for tag in value:
            if not _is_plain(tag) or tag != tag.strip():
                raise InvalidOption(f"{label}: a tag is {tag!r}: expected {PLAIN}, no space around")


PLAIN = "printable characters without a comma"


def _is_plain(text: str) -> bool:
    return "," not in text and text.isprintable()


def check_tags(label: str, *given: Iterable[str]) -> tuple[str, ...]:
    """Return all tags given, each once, in their order. Raises InvalidOption where one cannot be."""
    for some in given:
        check_option(label, "tags", some)
    together = tuple(dict.fromkeys(tag for some in given for tag in some))
    check_option(label, "tags", together)
    return together


def check_batch(label: str, size: int) -> None:
    """Raise InvalidOption unless `size` jobs can be stored at a time."""
    if size < 1:
        raise InvalidOption(f"{label}: batch_size is {size}: expected int >= 1")


def check_declaration(cls: type[Any], root: type[Any], label: str) -> None:
    """Check what a job class says about itself, its arguments apart; `root` is the base of them all.

    Raises InvalidOption for an impossible option, InvalidJobClass for a `handle()` nobody can call.
    """
    for name in OPTIONS:
        value = getattr(cls, name)
        if name in METHODS and callable(value):
            _check_call(label, name, value, *METHODS[name])
        else:
            check_option(label, name, value)
    if cls.abstract:
        return
    if cls.handle is root.handle:
        raise InvalidJobClass(f"{label} has no handle(): write one, or say abstract = True")
    if inspect.isgeneratorfunction(cls.handle) or inspect.isasyncgenfunction(cls.handle):
        raise InvalidJobClass(f"{label}.handle() has a yield in it, so calling it would do nothing")
    _check_call(label, "handle", cls.handle, "self")


def _check_call(label: str, name: str, method: Callable[..., Any], *arguments: str) -> None:
    try:
        inspect.signature(method).bind(*arguments)
    except TypeError:
        raise InvalidJobClass(
            f"{label}.{name}() is called as {name}({', '.join(arguments)})"
        ) from None


def seconds_of(label: str, name: str, value: float | timedelta) -> float:
    """Return a duration as seconds. Raises InvalidOption if it is negative, endless or no number."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidOption(
            f"{label}: {name} is {value!r}: expected a number of seconds or a timedelta"
        )
    if not 0 <= seconds <= FARTHEST:
        raise InvalidOption(f"{label}: {name} is {value!r}: expected 0 to {FARTHEST} seconds")
    return float(seconds)


def check_due(label: str, delay: float | timedelta | None, run_at: datetime | None) -> float | None:
    """Return `delay` in seconds. Raises InvalidOption where it or `run_at` cannot be meant so."""
    if delay is not None and run_at is not None:
        raise InvalidOption(f"{label}: give either delay or run_at, not both")
    if run_at is not None:
        if not isinstance(run_at, datetime):
            raise InvalidOption(f"{label}: run_at is {run_at!r}: expected an aware datetime")
        if run_at.utcoffset() is None:
            raise InvalidOption(
                f"{label}: run_at is {run_at.isoformat()} without a time zone: expected an aware "
                f"datetime, as django.utils.timezone.now() and make_aware() return"
            )
    return None if delay is None else seconds_of(label, "delay", delay)
