"""Who asked for what: one row per change, in the transaction that makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..models import AuditEntry
from .engines import Engine

LONGEST_NAME, LONGEST_DETAIL = 254, 200


def name_of(by: Any) -> str:
    """Return what an actor, a user or a text, is remembered as; empty where nobody is named."""
    return str(by)[:LONGEST_NAME] if by is not None else ""


def record(engine: Engine, action: str, by: Any, now: datetime, **what: Any) -> None:
    """Store that `by` asked for `action`; `what` names other columns of AuditEntry."""
    known = by is not None and getattr(by, "pk", None) is not None
    what["detail"] = what.get("detail", "")[:LONGEST_DETAIL]
    AuditEntry.objects.using(engine.alias).create(
        action=action,
        actor_id=str(by.pk) if known else "",
        actor_name=name_of(by),
        at=now,
        **what,
    )
