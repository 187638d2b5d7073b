"""Python values as JSON that every database keeps: encoded, checked, and compared with what comes back."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from functools import singledispatch
from typing import Any

import msgspec
from django.db.models import Model

from ..conf import conf
from ..exceptions import ResultNotStorable
from .references import reference

MAX_DEPTH = 50
MAX_INTEGER = 2**63 - 1

to_json = msgspec.json.Encoder().encode


class Unstorable(Exception):
    """A value that cannot be kept; `keys` lead to it from the outside."""

    def __init__(self, reason: str, *keys: str | int) -> None:
        super().__init__(reason)
        self.keys: list[str | int] = list(keys)

    @property
    def path(self) -> str:
        """Where the value is, for instance `rows[3].name`."""
        steps = (
            f"[{key}]" if key == "..." or isinstance(key, int) else f".{key}" for key in self.keys
        )
        whole = "".join(steps).removeprefix(".")
        return whole if len(whole) <= 100 else f"{whole[:60]}...{whole[-30:]}"


@singledispatch
def plain(value: Any, depth: int = 0) -> Any:
    """Return `value` as None, bool, int, float, str, list and dict. Raises Unstorable."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _part(getattr(value, name), name, depth) for name in _names(value)}
    try:
        parts = msgspec.to_builtins(value, enc_hook=_encode_unknown)
    except (TypeError, RecursionError):
        raise Unstorable(f"values of type {type(value).__name__} cannot be stored") from None
    return plain(parts, depth)


def _encode_unknown(value: Any) -> Any:
    if isinstance(value, Model):
        return plain(value)
    raise TypeError(type(value).__name__)


@plain.register
def _(value: None, depth: int = 0) -> None:
    return value


@plain.register
def _(value: bool, depth: int = 0) -> bool:
    return value


@plain.register
def _(value: int, depth: int = 0) -> int:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return int(value)
    raise Unstorable("an integer of more than 64 bits cannot be stored")


@plain.register
def _(value: float, depth: int = 0) -> float:
    if math.isfinite(value):
        return float(value)
    raise Unstorable(f"{value!r} is not a number that JSON knows")


@plain.register
def _(value: str, depth: int = 0) -> str:
    if "\0" in value:
        raise Unstorable("text with a NUL character cannot be stored")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unstorable("text with a lone surrogate cannot be stored") from None
    return str.__str__(value)


@plain.register
def _(value: dict, depth: int = 0) -> dict[str, Any]:  # type: ignore[type-arg]
    encoded = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise Unstorable(f"the keys of a dict must be str, not {describe(key)}")
        encoded[_part(key, key, depth)] = _part(item, key, depth)
    return encoded


@plain.register(list)
@plain.register(tuple)
def _(value: list[Any] | tuple[Any, ...], depth: int = 0) -> list[Any]:
    return [_part(item, position, depth) for position, item in enumerate(value)]


@plain.register(set)
@plain.register(frozenset)
def _(value: set[Any] | frozenset[Any], depth: int = 0) -> list[Any]:
    # Sorted, so that equal arguments are equal JSON.
    return sorted((plain(item, depth + 1) for item in value), key=repr)


@plain.register(date)
@plain.register(time)
def _(value: date | time, depth: int = 0) -> str:
    return value.isoformat()


@plain.register
def _(value: Decimal, depth: int = 0) -> str:
    if value.is_finite():
        return str(value)
    raise Unstorable(f"{value!r} is not a number that JSON knows")


@plain.register
def _(value: Enum, depth: int = 0) -> Any:
    return plain(value.value, depth)


@plain.register
def _(value: Model, depth: int = 0) -> dict[str, Any]:
    try:
        return {name: plain(part) for name, part in reference(value).items()}
    except ValueError as error:
        raise Unstorable(str(error)) from None


def _part(value: Any, key: str | int, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        raise Unstorable(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return plain(value, depth + 1)
    except Unstorable as error:
        error.keys.insert(0, key)
        raise


class Changed(Unstorable):
    """A value that comes back as something else."""


def compare(given: Any, returned: Any) -> None:
    """Raise Changed for the first part of `given` that came back as something else."""
    if isinstance(given, Model) and isinstance(returned, Model):
        return
    if not isinstance(given, type(returned)):
        if type(given) is int and type(returned) is float:
            return
        raise _changed(given, returned)
    for key, part, other in _pairs(given, returned):
        try:
            compare(part, other)
        except Unstorable as error:
            error.keys.insert(0, key)
            raise


def _pairs(given: Any, returned: Any) -> Iterator[tuple[str | int, Any, Any]]:
    """Yield the parts of two equal containers, each with its key."""
    if isinstance(given, dict):
        for key, part in given.items():
            if key not in returned:
                raise Unstorable("unknown key", key)
            yield key, part, returned[key]
    elif isinstance(given, (list, tuple)):
        for position, (part, other) in enumerate(zip(given, returned, strict=True)):
            yield position, part, other
    else:
        for name in _names(given):
            yield name, getattr(given, name), getattr(returned, name)


def _names(value: Any) -> tuple[str, ...]:
    if is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return getattr(value, "__struct_fields__", ())


_JSON_TYPES = (str, int, float, bool, list, dict, type(None))


def _changed(given: Any, returned: Any) -> Unstorable:
    kind = type(returned).__name__
    if isinstance(given, _JSON_TYPES) and not isinstance(returned, _JSON_TYPES):
        return Unstorable(f"expected {kind}, got {describe(given)}")
    return Changed(f"{describe(given)} would come back as {kind}: convert it")


def unknown_key(given: Any, kept: Any) -> list[str | int] | None:
    """Return the path to a key of `given`, plain JSON, that decoding left out of `kept`; else None."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key in given:
            if key not in kept:
                return [key]
        parts: Any = ((key, given[key], kept[key]) for key in given)
    elif isinstance(given, list) and isinstance(kept, list):
        parts = ((place, *pair) for place, pair in enumerate(zip(given, kept, strict=False)))
    else:
        return None
    for key, part, other in parts:
        if found := unknown_key(part, other):
            return [key, *found]
    return None


_shortener = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = 60


def describe(value: Any) -> str:
    """Return a short `repr` of `value` with its type: `'7' (str)`."""
    if value is None:
        return "None"
    return f"{_shortener.repr(value)} ({type(value).__name__})"


def encode_result(value: Any) -> str:
    """Return what `handle()` returned as JSON text.

    Plain JSON only: a date, tuple or set would come back as something else and is refused, as are
    NaN, NUL, and results larger than `BACKGROUND_JOB_RESULT_LIMIT`. Raises ResultNotStorable.
    """
    try:
        encoded = plain(value)
        compare(value, encoded)
    except Unstorable as error:
        place = f" at {error.path}" if error.keys else ""
        raise ResultNotStorable(f"the result cannot be stored{place}: {error}") from None
    text = to_json(encoded)
    if len(text) > conf.RESULT_LIMIT:
        raise ResultNotStorable(
            f"the result takes {len(text):,} bytes of JSON; {conf.RESULT_LIMIT:,} are allowed"
        )
    return text.decode()
