"""Says what a filter asks for, and what of it cannot be answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .. import error_groups, redaction
from ..fingerprints import Likeness
from ..models import Operation
from ..selection import Selection, path_of
from ..states import JobStatus, OperationStatus
from . import presentation, terminal
from .filters import JobFilter, moment
from .responses import permission


def group_names(user: Any, fingerprints: Iterable[str]) -> dict[str, str]:
    """Return fingerprint → the words for a group of errors, of those there are."""
    asked = [one for one in fingerprints if one]
    return group_words(user, error_groups.named(asked) if asked else {})


def group_words(user: Any, groups: Mapping[str, Likeness]) -> dict[str, str]:
    """Return fingerprint → the words for a group of errors; its message only to who may see it."""
    readable = user.has_perm(permission("view_job_logs"))
    return {
        one: f"{like.error_type} · {like.job_class}"
        + (f" · {terminal.plain(like.message)}" if readable and like.message else "")
        for one, like in groups.items()
    }


def described(selection: Selection, groups: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what a selection asks for, as (what, which); `groups` has the names of error groups."""
    named = ngettext("%(number)s job, ticked", "%(number)s jobs, ticked", len(selection.ids))
    told: list[tuple[str, Any]] = [
        (_("Jobs"), named % {"number": len(selection.ids)} if selection.ids else ""),
        (_("Status"), JobStatus(selection.status).label if selection.status else ""),
        (_("Class"), selection.job_class),
        (_("Queue"), selection.queue),
        (_("Tag"), selection.tag),
        (_("Dispatched by job"), f"#{selection.parent}" if selection.parent is not None else ""),
        (_("Worker"), selection.worker),
        (_("Error"), selection.error),
        (_("Error group"), groups.get(selection.group, selection.group)),
        (_("Dispatched from"), _time(selection.since)),
        (_("Dispatched before"), _time(selection.until)),
        (_("Argument"), selection.argument),
        (_("Text"), selection.text),
    ]
    return [(what, str(which)) for what, which in told if which]


OPERATION_KEYS = {
    OperationStatus.WAITING: "queued",
    OperationStatus.RUNNING: "running",
    OperationStatus.COMPLETED: "completed",
    OperationStatus.STOPPED: "cancelled",
    OperationStatus.FAILED: "failed",
}
"""Status of an operation → the status of jobs whose colour and icon it has."""


def operation_key(operation: Operation) -> str:
    return "cancelling" if operation.is_stopping else OPERATION_KEYS[operation_status(operation)]


def operation_icon(operation: Operation) -> str:
    return "running" if operation.is_stopping else operation_key(operation)


def operation_label(operation: Operation) -> str:
    return _("Stopping") if operation.is_stopping else str(operation_status(operation).label)


def operation_status(operation: Operation) -> OperationStatus:
    return OperationStatus(operation.status)


def groups_asked_for(user: Any, operations: Iterable[Operation]) -> dict[str, str]:
    """Return the names of the error groups that operations ask for."""
    return group_names(user, {str(one.selection.get("group", "")) for one in operations})


def asked_for(user: Any, operation: Operation, groups: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what an operation asks for, as (what, which); its arguments only to who may see them."""
    try:
        selection = Selection.from_json(operation.selection)
    except ValueError as error:
        return [(_("Unreadable"), str(error))]
    if selection.argument and not user.has_perm(permission("view_job_arguments")):
        selection = replace(selection, argument=_("hidden: it needs view_job_arguments"))
    return described(selection, groups)


def problems(chosen: JobFilter) -> list[str]:
    """Return, as sentences, which values of a filter mean nothing."""
    now = timezone.now()
    found = [
        _("“%(value)s” is not a time: write it as 2026-01-31T12:00.") % {"value": value}
        for value in (chosen.since, chosen.until)
        if value and moment(value, now) is None
    ]
    if chosen.argument and not path_of(chosen.argument):
        text = _("“%(value)s” names no argument: write it as name:value, or outer.inner:value.")
        found.append(text % {"value": chosen.argument})
    return found


def refusal(user: Any, chosen: JobFilter) -> str:
    """Return why `user` is not told which jobs match; nothing where nothing is hidden."""
    if chosen.argument and not user.has_perm(permission("view_job_arguments")):
        return _("You may not search arguments: that needs the permission view_job_arguments.")
    names = path_of(chosen.argument)
    if any(redaction.is_secret(name) for name in names):
        text = _("The values of %(name)s are masked, and so they cannot be searched.")
        return text % {"name": ".".join(names)}
    return ""


LONGEST_SUMMARY, LONGEST_VALUE = 160, 40
"""Characters of the arguments of a job in one line, and of one of them."""


def in_short(arguments: Mapping[str, Any] | None) -> str:
    """Return the arguments of a job, without their secrets, as one line of words."""
    given = redaction.redacted(dict(arguments or {}))
    words = [f"{name}={_cut(_written(value), LONGEST_VALUE)}" for name, value in given.items()]
    return _cut(terminal.plain(" ".join(words)), LONGEST_SUMMARY)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _time(at: datetime | None) -> str:
    return presentation.local(at) if at else ""
