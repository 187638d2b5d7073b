"""Plain JSON into typed values, by msgspec, with errors that a caller of `dispatch()` can act on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from django.db.models import Model

from ..conf import BOOL_WORDS, explain
from .references import check_reference, fetch, find
from .values import Unstorable, describe

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_GOT = re.compile(r", got `(\w+)`$")
_MISSING = re.compile(r"Object missing required field `(.*)`")

Hook = Callable[[Any, Any], Any]


class Converter:
    """Converts the arguments of one job class, all or some of them at a time."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._struct = msgspec.defstruct(
            "Arguments", [(name, kind, msgspec.UNSET) for name, kind in types.items()], kw_only=True
        )

    def check(self, plain: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of `plain`, empty instances in place of stored models: no query.

        `given` is what `plain` was made of; messages show it. Raises Unstorable.
        """
        return self._convert(plain, given, check_reference, strict=True)

    def load(self, plain: dict[str, Any], lax: bool = False) -> dict[str, Any]:
        """Return the values of `plain`, stored models fetched. `lax` also takes text for numbers
        and primary keys for models.

        Raises Unstorable.
        """
        return self._convert(plain, plain, find if lax else fetch, strict=not lax)

    def _convert(
        self, plain: dict[str, Any], given: Mapping[str, Any], hook: Hook, strict: bool
    ) -> dict[str, Any]:
        try:
            found = msgspec.convert(plain, self._struct, strict=strict, dec_hook=hook)
        except msgspec.ValidationError as error:
            raise self._explained(str(error), given) from None
        return {name: getattr(found, name) for name in plain}

    def _explained(self, message: str, given: Mapping[str, Any]) -> Unstorable:
        match = _MESSAGE.fullmatch(message)
        what, path = (match["what"], match["path"] or "") if match else (message, "")
        steps = map("".join, _STEP.findall(path))
        keys: list[str | int] = [int(step) if step.isdigit() else step for step in steps]
        return Unstorable(self._reason(what, keys, given), *keys)

    def _reason(self, what: str, keys: list[str | int], given: Mapping[str, Any]) -> str:
        if not what.startswith(("Expected `", "Invalid ", "Object ")):
            return what
        if missing := _MISSING.fullmatch(what):
            return f"{missing[1]!r} is missing, got {describe(_at(keys, given))}"
        expected = explain(what)
        if what.startswith("Invalid ") and len(keys) == 1:
            expected = f"expected {shown(self._types[str(keys[0])])}"
        # msgspec does not say at which key of a dict: show the whole dict and what it found there.
        found = _GOT.search(what) if "..." in keys else None
        inside = f"{found[1]} in " if found else ""
        return f"{expected}, got {inside}{describe(_at(keys, given))}"


def _at(keys: list[str | int], given: Any) -> Any:
    """Return what `keys` lead to in `given`, as far as they are known."""
    for key in keys:
        if key == "...":
            break
        indexed = isinstance(key, int) or isinstance(given, Mapping)
        given = given[key] if indexed else getattr(given, str(key))
    return given


def shown(annotation: Any) -> str:
    """Return `annotation` as one would write it."""
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        members = getattr(annotation, "__members__", {})
        values = f" ({', '.join(repr(each.value) for each in members.values())})" if members else ""
        return annotation.__name__ + values
    return re.sub(r"\b(\w+\.)+(\w)", r"\2", str(annotation))


def readings(value: Any, kind: Any) -> list[Any]:
    """Return what `value`, typed on a command line for a `kind`, may mean; the likeliest error last."""
    if not isinstance(value, str):
        return [value]
    if kind is bool:
        return [BOOL_WORDS.get(value.lower(), value)]
    try:
        parsed = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return [value]
    if kind is Any:
        return [parsed]
    return [value, parsed] if isinstance(parsed, (dict, list)) else [value]


def problem_of(kind: Any) -> str | None:
    """Return why values annotated as `kind` cannot be arguments; None if they can."""
    try:
        info = msgspec.inspect.type_info(kind)
        msgspec.json.Decoder(kind)
    except (TypeError, NameError, AttributeError) as error:
        return str(error).split(" - type")[0]
    return next(_problems(info, set()), None)


def has_named_parts(kind: Any) -> bool:
    """Whether values of `kind` hold dataclasses or the like, whose unknown keys msgspec ignores."""
    kinds = (
        msgspec.inspect.DataclassType,
        msgspec.inspect.TypedDictType,
        msgspec.inspect.StructType,
    )
    return any(isinstance(part, kinds) for part in _parts(msgspec.inspect.type_info(kind), set()))


def _problems(info: msgspec.inspect.Type, seen: set[int]) -> Iterator[str]:
    for part in _parts(info, seen):
        if isinstance(part, msgspec.inspect.CustomType) and not issubclass(part.cls, Model):
            yield f"{part.cls.__name__} cannot be made from JSON"
        if isinstance(part, msgspec.inspect.DictType) and not _is_text(part.key_type):
            yield "the keys of a dict must be str"


def _is_text(key: msgspec.inspect.Type) -> bool:
    if isinstance(key, msgspec.inspect.LiteralType):
        return all(isinstance(value, str) for value in key.values)
    if isinstance(key, msgspec.inspect.EnumType):
        return issubclass(key.cls, str)
    return isinstance(key, (msgspec.inspect.StrType, msgspec.inspect.AnyType))


def _parts(info: Any, seen: set[int]) -> Iterator[msgspec.inspect.Type]:
    """Yield the type `info` and all types it is made of."""
    if isinstance(info, (tuple, list)):
        for part in info:
            yield from _parts(part, seen)
    elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)) and id(info) not in seen:
        seen.add(id(info))
        if isinstance(info, msgspec.inspect.Type):
            yield info
        for name in info.__struct_fields__:
            yield from _parts(getattr(info, name), seen)
