"""A form of the arguments of a job: one entry for each, and back from what was typed."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Any

from django.http import QueryDict

from ..arguments import Fields
from ..arguments.fields import Field
from ..redaction import is_secret, redacted

PREFIX, NONE = "argument-", "none-"
"""Before the name of an argument: of its value, and of the box that says it is None."""
LONG = 60
"""Characters from which on a text gets several lines."""


@dataclass(frozen=True)
class Entry:
    """One argument as the form shows it."""

    name: str
    written: str
    """Its annotation."""
    kind: str
    """`text`, `lines`, `choice`, `number` or `date`."""
    value: str
    choices: tuple[str, ...] = ()
    may_be_none: bool = False
    is_none: bool = False
    is_masked: bool = False
    """Whether its value is secret: left empty, it stays as it is."""

    @property
    def field(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def none_field(self) -> str:
        return f"{NONE}{self.name}"


def entries_of(
    fields: Fields, stored: Mapping[str, Any], typed: QueryDict | None = None
) -> list[Entry]:
    """Return the entries for the arguments of a class, filled with what is stored, or was typed."""
    entries = [entry_of(field, stored) for field in fields.fields.values()]
    return entries if typed is None else [retyped(entry, typed) for entry in entries]


def entry_of(field: Field, stored: Mapping[str, Any]) -> Entry:
    kinds, may_be_none = parts_of(field.type)
    value = stored.get(field.name)
    is_masked = is_secret(field.name) or redacted(value) != value
    text = "" if value is None or is_masked else typed_as(value, kinds)
    kind, choices = widget(kinds, text)
    return Entry(
        name=field.name,
        written=field.written,
        kind=kind,
        value=text,
        choices=choices,
        may_be_none=may_be_none,
        is_none=may_be_none and field.name in stored and value is None,
        is_masked=is_masked and value is not None,
    )


def retyped(entry: Entry, typed: QueryDict) -> Entry:
    """Return an entry with what was typed, so that a refused form loses nothing but secrets."""
    value = "" if entry.is_masked else as_typed(typed, entry)
    return replace(entry, value=value, is_none=entry.none_field in typed)


def given_in(typed: QueryDict, fields: Fields, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return name → value of the arguments a form gives, to be read as people type.

    What was left as it stood, and a secret left empty, is the stored value itself; an argument that
    was not stored and is left empty gets its default.
    """
    given: dict[str, Any] = {}
    for entry in entries_of(fields, stored):
        text = as_typed(typed, entry)
        if entry.may_be_none and entry.none_field in typed:
            given[entry.name] = None
        elif text != entry.value or (entry.is_none and text):
            given[entry.name] = text
        elif entry.name in stored and not entry.is_none:
            given[entry.name] = kept(stored[entry.name], fields.fields[entry.name].type)
        elif entry.is_none and entry.kind in ("text", "lines"):
            given[entry.name] = text
    return given


def kept(value: Any, kind: Any) -> Any:
    """Return a stored value so that reading it as people type leaves it as it is."""
    return json.dumps(value) if kind is Any and isinstance(value, str) else value


def as_typed(typed: QueryDict, entry: Entry) -> str:
    return typed.get(entry.field, "").replace("\r\n", "\n")


def parts_of(kind: Any) -> tuple[tuple[Any, ...], bool]:
    """Return the types of a union but None, and whether None is one of them."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        parts = typing.get_args(kind)
        return tuple(part for part in parts if part is not type(None)), type(None) in parts
    return (kind,), False


def typed_as(value: Any, kinds: tuple[Any, ...]) -> str:
    """Return a stored value as one would type it to get it back."""
    if isinstance(value, str) and kinds != (Any,):
        return value
    indent = 2 if isinstance(value, dict | list) else None
    return json.dumps(value, ensure_ascii=False, indent=indent)


def widget(kinds: tuple[Any, ...], value: str) -> tuple[str, tuple[str, ...]]:
    """Return the kind of an entry, and what it offers where that is a choice."""
    kind = kinds[0] if len(kinds) == 1 else None
    if kind is bool:
        return "choice", ("true", "false")
    if typing.get_origin(kind) is typing.Literal:
        return "choice", tuple(map(str, typing.get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "choice", tuple(str(member.value) for member in kind)
    if kind in (int, float):
        return "number", ()
    if kind is date:
        return "date", ()
    is_long = len(value) > LONG or "\n" in value
    return ("lines" if is_long else "text"), ()
