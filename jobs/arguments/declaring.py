"""Reading the arguments of a job class from its body, or from the `__init__` it writes itself."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any, ClassVar

from ..exceptions import InvalidArguments, InvalidJobClass
from ..options import OPTIONS
from .fields import MISSING, Field, Fields, fields_of

_NO_FIELD = re.compile(r"\s*(\w+\.)?(ClassVar|InitVar)\b")


def declare(cls: type[Any], root: type[Any], label: str) -> Fields:
    """Read the arguments of `cls`, give it the `__init__` that takes them, and return them.

    `root` is the base of all job classes, none of whose attributes may be a field; `label` names
    `cls` in messages. Raises InvalidJobClass.
    """
    bases = [vars(base)["_fields"] for base in cls.__mro__[:0:-1] if "_fields" in vars(base)]
    inherited = bases[-1] if bases else Fields(label, {})
    if "__init__" in vars(cls):
        found = Fields(label, _parameters(cls, label), captured=True)
        cls.__init__ = _capturing(cls.__init__)
        return found
    own = _annotated(cls, root, label)
    if inherited.captured:
        if own:
            raise InvalidJobClass(
                f"{label} annotates {min(own)!r}, but a base of it writes its own __init__: then "
                f"only the parameters of an __init__ are arguments"
            )
        return Fields(label, inherited.fields, captured=True)
    fields = {name: field for base in bases for name, field in base.fields.items()}
    found = Fields(label, _with_defaults(cls, {**fields, **own}, label))
    cls.__init__ = _taking(found)
    return found


def _annotated(cls: type[Any], root: type[Any], label: str) -> dict[str, Field]:
    """Return the fields that the body of `cls` annotates, still without their defaults."""
    found = {}
    for name, annotation in inspect.get_annotations(cls).items():
        if _is_no_field(annotation):
            continue
        if hasattr(root, name):
            raise InvalidJobClass(_reserved(root, label, name))
        found[name] = Field(name, annotation, cls)
    return found


def _is_no_field(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _NO_FIELD.match(annotation) is not None
    return (
        annotation is ClassVar
        or typing.get_origin(annotation) is ClassVar
        or annotation is dataclasses.InitVar
        or isinstance(annotation, dataclasses.InitVar)
    )


def _reserved(root: type[Any], label: str, name: str) -> str:
    if name in OPTIONS:
        return f"{label} annotates {name!r}, which is an option: write `{name} = ...` instead"
    return f"{label} cannot have an argument named {name!r}: {root.__name__} uses that name"


def _with_defaults(cls: type[Any], fields: dict[str, Field], label: str) -> dict[str, Field]:
    """Give each field the default that the body of `cls` assigns to its name."""
    for name, field in fields.items():
        if name not in vars(cls):
            continue
        value = vars(cls)[name]
        if isinstance(value, dataclasses.Field):
            fields[name] = _specified(cls, field, value, label)
        elif type(value).__hash__ is None:
            raise InvalidJobClass(
                f"{label}: the default of {name!r} is a {type(value).__name__}, which all jobs would "
                f"share: write dataclasses.field(default_factory={type(value).__name__})"
            )
        else:
            fields[name] = dataclasses.replace(field, default=value, factory=None)
    return fields


def _specified(cls: type[Any], field: Field, given: dataclasses.Field[Any], label: str) -> Field:
    """Return `field` as `dataclasses.field(...)` describes it, and leave its default on `cls`."""
    if not given.init:
        raise InvalidJobClass(f"{label}: {field.name!r} has init=False, so no job could have it")
    if given.default is dataclasses.MISSING:
        delattr(cls, field.name)
    else:
        setattr(cls, field.name, given.default)
    default = MISSING if given.default is dataclasses.MISSING else given.default
    factory = None if given.default_factory is dataclasses.MISSING else given.default_factory
    return dataclasses.replace(field, default=default, factory=factory)


def _parameters(cls: type[Any], label: str) -> dict[str, Field]:
    """Return the parameters of the `__init__` of `cls` as fields."""
    found = {}
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidJobClass(
                f"{label}.__init__ takes {parameter}: what it stands for could not be stored by "
                f"name, so write its parameters out"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidJobClass(
                f"{label}.__init__ takes {parameter.name!r} by position only: arguments are stored "
                f"by name"
            )
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = MISSING if parameter.default is parameter.empty else parameter.default
        found[parameter.name] = Field(parameter.name, annotation, cls, default)
    return found


def _taking(fields: Fields) -> Callable[..., None]:
    """Return an `__init__` that sets each of `fields`, given by name."""

    def __init__(self: Any, /, *args: Any, **values: Any) -> None:
        self.__dict__.update(fields.bind(args, values))

    __init__.__signature__ = fields.signature()  # type: ignore[attr-defined]
    return __init__


def _capturing(init: Callable[..., None]) -> Callable[..., None]:
    """Return `init` such that the instance also remembers what it was called with."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def __init__(self: Any, /, *args: Any, **values: Any) -> None:
        # An __init__ called by that of a subclass finds the arguments of the subclass, and keeps them.
        if "_given" not in self.__dict__:
            fields = fields_of(type(self))
            for name in values:
                fields.check_name(name)
            try:
                bound = signature.bind(self, *args, **values)
            except TypeError as error:
                raise InvalidArguments(f"{fields.label}: {error}") from None
            bound.apply_defaults()
            self.__dict__["_given"] = dict(list(bound.arguments.items())[1:])
        init(self, *args, **values)

    return __init__
