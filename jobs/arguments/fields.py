"""The arguments of one job class: their names, types and defaults."""

from __future__ import annotations

import difflib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import msgspec

from ..conf import conf
from ..exceptions import InvalidArguments
from .conversion import Converter, has_named_parts, problem_of, readings, shown
from .values import Changed, Unstorable, compare, describe, plain, to_json, unknown_key


class _Missing:
    def __repr__(self) -> str:
        return "..."


MISSING: Any = _Missing()
"""The default of a field that must be given."""


@dataclass(frozen=True)
class Field:
    """One argument: its annotation as written, and the class whose module that is read in."""

    name: str
    annotation: Any
    owner: type[Any]
    default: Any = MISSING
    factory: Callable[[], Any] | None = None

    @property
    def is_required(self) -> bool:
        return self.default is MISSING and self.factory is None

    @property
    def type(self) -> Any:
        """The annotation, evaluated. Raises whatever evaluating it raises."""
        holder = type("_", (), {"__annotations__": {self.name: self.annotation}})
        module = vars(sys.modules[self.owner.__module__])
        # The names of the module stand before those of the class, where a field may be called `date`.
        hints = typing.get_type_hints(holder, dict(vars(self.owner)), module, include_extras=True)
        return hints[self.name]

    @property
    def written(self) -> str:
        """The annotation as a reader of the class sees it."""
        return self.annotation if isinstance(self.annotation, str) else shown(self.annotation)

    def default_value(self) -> Any:
        return self.factory() if self.factory is not None else self.default


class Fields:
    """The arguments of a job class.

    Annotations are evaluated when the first job is dispatched or run, because they may name models
    that are not loaded when the class is created.
    """

    def __init__(self, label: str, fields: Mapping[str, Field], captured: bool = False) -> None:
        self.label = label
        """The name of the job class, for messages."""
        self.fields = dict(fields)
        self.captured = captured
        """Whether they are the parameters of an `__init__` of the class itself."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arguments, in the order of their declaration."""
        return tuple(self.fields)

    def signature(self) -> inspect.Signature:
        """Return the signature of the `__init__` that takes them."""
        parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
        for field in self.fields.values():
            default = inspect.Parameter.empty if field.is_required else field.default
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=field.annotation,
                )
            )
        return inspect.Signature(parameters)

    def bind(self, args: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` completed with defaults.

        Raises InvalidArguments for positional, unknown and missing arguments.
        """
        if args:
            names = ", ".join(f"{name}=..." for name in self.names)
            raise InvalidArguments(
                f"{self.label} takes its arguments by name: {self.label}({names})"
            )
        for name in values:
            self.check_name(name)
        for name, field in self.fields.items():
            if name not in values:
                if field.is_required:
                    raise InvalidArguments(f"{self.label} needs the argument {name!r}")
                values[name] = field.default_value()
        return values

    def prepare(self) -> None:
        """Do now what the first `decode` would have to do, if the annotations allow it."""
        with suppress(InvalidArguments):
            self._converter, self._has_named_parts  # noqa: B018 (kept once worked out)

    def check_name(self, name: str) -> None:
        """Raise InvalidArguments unless `name` is an argument."""
        if name in self.fields:
            return
        message = f"{self.label} has no argument {name!r}"
        if close := difflib.get_close_matches(name, self.names, n=1):
            raise InvalidArguments(f"{message}; did you mean {close[0]!r}?")
        known = ", ".join(self.names) or "none"
        raise InvalidArguments(f"{message}; its arguments: {known}")

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return `values` as JSON-able values that `decode` gives back as they are.

        Raises InvalidArguments, which names the argument, what was expected and what was given.
        """
        try:
            encoded: dict[str, Any] = plain(dict(values))
            self._check_size(encoded)
            compare(values, self._converter.check(encoded, values))
        except Changed as error:
            message = f"{self.label}: {error.path}: {error}, or annotate it with its type"
            raise InvalidArguments(message) from None
        except Unstorable as error:
            raise InvalidArguments(f"{self.label}: {error.path}: {error}") from None
        return encoded

    def _check_size(self, encoded: dict[str, Any]) -> None:
        size, limit = len(to_json(encoded)), conf.ARGUMENTS_LIMIT
        if size > limit:
            raise InvalidArguments(
                f"{self.label}: its arguments take {size:,} bytes of JSON; {limit:,} are allowed"
            )

    def decode(self, stored: dict[str, Any] | bytes | str, lax: bool = False) -> dict[str, Any]:
        """Return the values that `stored`, JSON or a dict of it, stands for, models fetched.

        `lax` reads text as a command line has it: `7` for an int, `yes` for a bool, JSON for a
        list, a primary key for a model. Raises InvalidArguments.
        """
        given = self._as_dict(stored)
        for name in given:
            self.check_name(name)
        try:
            values = self._read(given) if lax else self._load(given)
        except Unstorable as error:
            raise InvalidArguments(f"{self.label}: {error.path}: {error}") from None
        return self.bind((), values)

    def _load(self, given: dict[str, Any], lax: bool = False) -> dict[str, Any]:
        values = self._converter.load(given, lax)
        if self._has_named_parts and (path := unknown_key(given, plain(values))):
            raise Unstorable("unknown key", *path)
        return values

    def _read(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the values of `given` after trying each way to read its texts."""
        values = {}
        for name, value in given.items():
            errors: list[Unstorable] = []
            for reading in readings(value, self.types[name]):
                try:
                    values.update(self._load({name: reading}, lax=True))
                    break
                except Unstorable as error:
                    errors.append(error)
            else:
                raise errors[-1]
        return values

    def _as_dict(self, stored: dict[str, Any] | bytes | str) -> dict[str, Any]:
        try:
            given = msgspec.json.decode(stored) if isinstance(stored, (bytes, str)) else stored
        except msgspec.DecodeError as error:
            raise InvalidArguments(f"{self.label}: its arguments are not JSON: {error}") from None
        if isinstance(given, dict):
            return given
        raise InvalidArguments(f"{self.label}: its arguments are {describe(given)}, not a dict")

    @cached_property
    def types(self) -> dict[str, Any]:
        """Name → evaluated annotation. Raises InvalidArguments if one of them cannot be supported."""
        if problems := self.problems():
            raise InvalidArguments(f"{self.label}: {problems[0]}")
        return {name: field.type for name, field in self.fields.items()}

    def problems(self) -> list[str]:
        """Return a sentence for each annotation that cannot be supported."""
        found = []
        for name, field in self.fields.items():
            try:
                problem = problem_of(field.type)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                found.append(f"{name!r} is annotated as {field.written}: {problem}")
        return found

    @cached_property
    def _converter(self) -> Converter:
        return Converter(self.types)

    @cached_property
    def _has_named_parts(self) -> bool:
        return any(has_named_parts(kind) for kind in self.types.values())


def fields_of(cls: type[Any]) -> Fields:
    """Return the arguments of a job class."""
    return cast(Fields, cls._fields)
