"""Model instances as arguments: stored as a reference, fetched afresh where the job runs."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model


def reference(instance: Model) -> dict[str, Any]:
    """Return `{"model": "app.model", "pk": ...}`, with `"db"` where that is not the default one.

    Raises ValueError for an instance that is in no database.
    """
    name = type(instance).__name__
    if instance.pk is None or instance._state.adding:
        raise ValueError(f"this {name} is not saved, so the job could not find it")
    found: dict[str, Any] = {"model": instance._meta.label_lower, "pk": instance.pk}
    if instance._state.db not in (None, DEFAULT_DB_ALIAS):
        found["db"] = instance._state.db
    return found


def check_reference(kind: type[Model], stored: Any) -> Model:
    """Return an empty `kind` if `stored` refers to one, without a query. Raises ValueError."""
    _parts(kind, stored)
    return kind.__new__(kind)


def fetch(kind: type[Model], stored: Any) -> Model:
    """Return the instance that `stored` refers to. Raises ValueError if it is gone or is no `kind`."""
    model, pk, alias = _parts(kind, stored)
    try:
        pk = model._meta.pk.to_python(pk)
        return model._base_manager.using(alias).get(pk=pk)
    except ObjectDoesNotExist:
        raise ValueError(f"{model.__name__} {_shown(pk)} no longer exists") from None
    except (ValueError, TypeError, ValidationError):
        raise ValueError(f"{_shown(pk)} is no primary key of {model.__name__}") from None


def find(kind: type[Model], typed: Any) -> Model:
    """Return the instance with the primary key `typed`, as a command line has it, or `fetch` it."""
    if isinstance(typed, dict):
        return fetch(kind, typed)
    return fetch(kind, {"model": kind._meta.label_lower, "pk": typed})


def _parts(kind: type[Model], stored: Any) -> tuple[type[Model], Any, str]:
    """Return model, primary key and database alias. Only installed models are looked up."""
    if not isinstance(stored, dict) or not {"model", "pk"} <= stored.keys():
        raise ValueError(f"expected {kind.__name__}, got {type(stored).__name__}")
    label, pk, alias = stored["model"], stored["pk"], stored.get("db", DEFAULT_DB_ALIAS)
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError, AttributeError):
        raise ValueError(f"no model is installed as {label!r}") from None
    if not issubclass(model, kind):
        raise ValueError(f"expected {kind.__name__}, got {model.__name__}")
    if alias not in connections:
        raise ValueError(f"no database is configured as {alias!r}")
    return model, pk, alias


def _shown(pk: Any) -> str:
    return str(pk) if isinstance(pk, int) else repr(pk)
