"""Every setting: its name, type, default and unit.

A setting is looked up when it is read: `settings.BACKGROUND_JOB_<NAME>` of Django, else the
environment variable of that name, else the default below. `jobs.checks` reports a bad value.
"""

from __future__ import annotations

import os
import re
from types import NoneType
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
from django.conf import settings as django_settings
from django.utils.functional import empty

PREFIX = "BACKGROUND_JOB_"

Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]
Delay = Annotated[float, msgspec.Meta(ge=0, le=31_536_000)]
Days = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
Bytes = Annotated[int, msgspec.Meta(ge=1)]
Token = Annotated[str, msgspec.Meta(min_length=16, pattern=r"^[A-Za-z0-9._~+/=-]+$")]
"""What an `Authorization: Bearer` header can carry."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Delays = Annotated[list[Delay], msgspec.Meta(min_length=1)]


class BadSetting(ValueError):
    """A setting has a value that cannot be used; the message names it and what it accepts."""


class Settings:
    """The settings without their prefix. Each attribute is a default; its docstring gives the meaning."""

    MAX_ATTEMPTS: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 3
    """Attempts a job may spend, the first one included."""
    RETRY_DELAY: Delay | Delays = 60.0
    """Seconds between attempts; a list gives one delay per failed attempt, the last one repeats."""
    RETRY_JITTER: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    """Share of a delay before a retry that is added to it at most, by chance: 0.5 makes 60 s 60 to 90 s."""
    TIMEOUT: Seconds | None = None
    """Seconds of wall clock an attempt may run; none by default."""
    MEMORY_LIMIT: Bytes | None = None
    """Bytes of resident memory of a job's process tree; none by default."""
    ISOLATION: Literal["warm", "fresh"] = "warm"
    """`fresh` gives every job a new process; `warm` reuses one that was left as it was found."""
    JOBS_PER_PROCESS: Positive = 1000
    """Jobs after which a warm process is replaced."""
    PROCESS_GROWTH_LIMIT: Bytes = 128 * 1024 * 1024
    """Bytes of resident memory a warm process may gain before it is replaced after a job."""
    START_METHOD: Literal["fork", "exec"] = "fork"
    """How job processes start: forked from a warm launcher, or each one a new interpreter."""
    KILL_GRACE: Delay = 10.0
    """Seconds between asking a job to stop and killing its processes."""
    DRAIN_TIMEOUT: Delay = 30.0
    """Seconds a worker told to stop waits for its running jobs before it gives them back."""
    BOOT_TIMEOUT: Seconds = 60.0
    """Seconds a new job process may take until it is ready, and any until it has read of its next job."""
    BEAT: Seconds = 10.0
    """Seconds between two renewals of a worker's lease."""
    LEASE: Seconds = 60.0
    """Seconds after which a worker that renewed nothing is presumed dead."""
    POLL_INTERVAL: Seconds = 1.0
    """Longest pause, in seconds, between two looks for due jobs while a worker is idle."""
    DATABASE: str | None = None
    """Alias of the database this process's jobs are in; needs `jobs.routing.JobsRouter`."""
    QUEUE_DATABASES: dict[str, str] | None = None
    """Queues with a database of their own, and its alias: `reports=bulk,exports=bulk`."""
    VERSION: Name | None = None
    """Version of your code that a worker runs, such as a tag or a commit; charts mark where a new one began."""
    LISTEN: bool = True
    """Whether workers on PostgreSQL wait with LISTEN; turn it off behind PgBouncer."""
    CLAIM_AHEAD: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 64
    """Jobs of lately quick classes a worker claims before it has a free process for them."""
    MAX_INTERRUPTIONS: Positive = 20
    """How often a job may be given back unspent before that, too, spends an attempt."""
    UNRESOLVED_TIMEOUT: Delay = 86_400.0
    """Seconds a job whose class nobody registered waits before it fails."""
    KEEP_COMPLETED: Days | None = 14.0
    """Days a completed job is kept with its attempts and their output; 0 keeps it for ever."""
    KEEP_FAILED: Days | None = 90.0
    """Days a failed or cancelled job is kept; 0 keeps it for ever."""
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Lowest level of `logging` records kept in an attempt's output."""
    OUTPUT_LIMIT: Annotated[int, msgspec.Meta(ge=4096)] = 1024 * 1024
    """Bytes of output kept per attempt: its first and its last half."""
    ARGUMENTS_LIMIT: Bytes = 64 * 1024
    """Bytes of JSON the arguments of a job may take."""
    RESULT_LIMIT: Bytes = 256 * 1024
    """Bytes of JSON the result of a job may take."""
    PAGE_TIMEOUT: Delay = 10.0
    """Seconds a page of the dashboard, or an answer of the API, may keep the database busy; 0 is no limit."""
    METRICS_TOKEN: Token | None = None
    """Token of 16 characters or more that opens `/metrics`; without one a login is needed."""
    API_TOKEN: Token | None = None
    """Token of 16 characters or more that opens `/api/` with the rights of one user."""
    API_USER: str | None = None
    """Name of the user whose rights the API token has."""


TYPES: dict[str, Any] = get_type_hints(Settings, include_extras=True)


def read(name: str) -> Any:
    """Return the value of one setting, converted to its type.

    `name` comes without the prefix. Raises BadSetting for a value that does not fit.
    """
    variable, kind = PREFIX + name, TYPES[name]
    # Past the lazy object, which takes six times as long to say that it has no such name.
    holder = cast(Any, django_settings)._wrapped
    value = getattr(django_settings if holder is empty else holder, variable, msgspec.UNSET)
    if value is None and NoneType in get_args(kind):
        return None
    if value is None or value is msgspec.UNSET:
        value = os.environ.get(variable, "").strip() or None
    if value is None:
        return getattr(Settings, name)
    try:
        return msgspec.convert(_parsed(value, kind), kind, strict=False)
    except msgspec.ValidationError as error:
        shown = "a text that cannot be used" if kind == Token | None else repr(value)
        raise BadSetting(f"{variable} is {shown}: {explain(str(error), kind)}") from None


BOOL_WORDS = {"yes": True, "on": True, "no": False, "off": False}
"""Words for a bool beside those of msgspec, which are true, false, 1 and 0."""


def _parsed(value: Any, kind: Any) -> Any:
    """Return a value with what only text can say made explicit: `10,60,300` and `off`."""
    if not isinstance(value, str):
        return value
    if kind is bool:
        return BOOL_WORDS.get(value.lower(), value)
    if any(get_origin(part) is dict for part in get_args(kind)):
        pairs = (part.partition("=") for part in value.split(","))
        return {name.strip(): item.strip() for name, _, item in pairs}
    return [part.strip() for part in value.split(",")] if "," in value else value


def explain(message: str, kind: Any = None) -> str:
    """Turn msgspec's sentence into ours, in Python's words: `expected int >= 1`."""
    what = message.split(" - at ")[0]
    if what.startswith("Invalid enum value") and (choices := _choices(kind)):
        return f"expected one of {', '.join(map(repr, choices))}"
    what = re.sub(r", got (`\w+`|\d+)$", "", what)
    what = re.sub(r"`([^`]*)`", lambda found: _in_python(found[1]), what)
    return what[:1].lower() + what[1:]


_JSON_NAMES = {"object": "dict", "array": "list", "null": "None"}


def _in_python(kinds: str) -> str:
    return " | ".join(_JSON_NAMES.get(kind, kind) for kind in kinds.split(" | "))


def _choices(kind: Any) -> list[Any]:
    """Return the values that a Literal, or an Optional one, allows."""
    parts = (kind, *get_args(kind))
    return [value for part in parts if get_origin(part) is Literal for value in get_args(part)]


class _Live:
    """Reads each attribute of `Settings` when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name not in TYPES:
            raise AttributeError(name)
        return read(name)


conf = cast(Settings, _Live())
