"""Every job class that may run, by its name. Nothing else ever runs: a stored name is only looked up."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from .exceptions import InvalidJobClass, UnknownJobClass

if TYPE_CHECKING:
    from .job import BackgroundJob

MODULE = "jobs"
"""Name of the module of each installed app that is imported for its job classes."""

SHOWN = 20
"""How many names an error lists."""

_classes: dict[str, type[BackgroundJob]] = {}
_aliases: dict[str, type[BackgroundJob]] = {}

import_errors: dict[str, str] = {}
"""Module that could not be imported → the error, as `ImportError: ...`."""


def name_of(cls: type[Any]) -> str:
    """Return the stable name of a job class: the label of its app and its own name."""
    config = apps.get_containing_app_config(cls.__module__) if apps.apps_ready else None
    label = config.label if config else cls.__module__.partition(".")[0]
    return f"{label}.{cls.__name__}"


def register(cls: type[BackgroundJob]) -> None:
    """Make `cls` known by its name and aliases. Raises InvalidJobClass where one is taken."""
    for name in (cls.job_name, *cls.aliases):
        other = find(name)
        if other is not None and not _is_same(cls, other):
            raise InvalidJobClass(
                f"{cls.__module__}.{cls.__qualname__} cannot be registered as {name!r}: "
                f"{other.__module__}.{other.__qualname__} has that name"
            )
    _classes[cls.job_name] = cls
    for alias in cls.aliases:
        _aliases[alias] = cls


def _is_same(cls: type[Any], other: type[Any]) -> bool:
    """Whether `cls` is `other` after its module was loaded once more."""
    return (cls.__module__, cls.__qualname__) == (other.__module__, other.__qualname__)


def find(name: str) -> type[BackgroundJob] | None:
    """Return the class with this name or alias, or None."""
    return _classes.get(name) or _aliases.get(name)


def get(name: str) -> type[BackgroundJob]:
    """Return the class with this name or alias. Raises UnknownJobClass."""
    found = find(name)
    if found is None:
        raise UnknownJobClass(_unknown(name))
    return found


def lookup(text: str) -> type[BackgroundJob]:
    """Return the class with the name `text`, of which the app may be left out where one has it.

    Raises UnknownJobClass.
    """
    names = [name for name in _classes if name.rpartition(".")[2] == text]
    if len(names) > 1:
        raise UnknownJobClass(
            f"{text!r} may be any of {', '.join(sorted(names))}: name one in full"
        )
    return get(names[0] if names else text)


def all_classes() -> dict[str, type[BackgroundJob]]:
    """Return every registered class by its name."""
    return dict(_classes)


def _unknown(name: str) -> str:
    message = f"no job class is registered as {name!r}"
    known = sorted(_classes)
    bare = {each.rpartition(".")[2]: each for each in reversed(known)}
    close = difflib.get_close_matches(name, [*known, *bare], n=1)
    message += f"; did you mean {bare.get(close[0], close[0])!r}?" if close else "."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    message += f" Registered: {', '.join(known[:SHOWN]) or 'none'}{more}."
    if import_errors:
        message += f" Could not be imported: {', '.join(sorted(import_errors))}."
    return message


def broken_module(name: str) -> str:
    """Return the module in which the class with this name should be, and why it cannot be imported.

    Returns nothing where the module can be imported, or belongs to no app that is installed.
    """
    label = name.rpartition(".")[0]
    for config in apps.get_app_configs():
        module = f"{config.name}.{MODULE}"
        if config.label == label and module in import_errors:
            return f"{module} cannot be imported: {import_errors[module]}"
    return ""


def autodiscover() -> None:
    """Import the `jobs` module of every installed app; what fails is kept in `import_errors`."""
    import_errors.clear()
    for config in apps.get_app_configs():
        module = f"{config.name}.{MODULE}"
        if config.module is None or not module_has_submodule(config.module, MODULE):
            continue
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:
            import_errors[module] = f"{type(error).__name__}: {error}"
