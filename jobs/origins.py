"""Where a job comes from: the code that dispatched it, and the request, job or command that ran it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.functional import LazyObject, empty

from .output import clean
from .redaction import MASK, is_secret

LONGEST = 200
"""Characters kept of each thing that is told of an origin."""
DEEPEST = 200
"""Calls that are looked through for the command they are in."""

PASSED_OVER = (f"{__package__}.", "django.", "asgiref.", "asyncio.", "concurrent.", "threading.")
"""Modules, and packages of them, that call on behalf of other code."""


class Origin(NamedTuple):
    """What is stored with a job of where it comes from."""

    told: dict[str, str]
    """Each only where it is known: `code` (`shop.views.checkout:41`); `request` (`POST /checkout/`) and
    the `user` and `user_id` it was of; `job_class` of the job it was dispatched by; `command`."""
    parent_id: int | None = None
    """The job it was dispatched by."""


class Parent(NamedTuple):
    """The job that runs in this process."""

    job_id: int
    job_class: str


_request: ContextVar[Any] = ContextVar("jobs_request", default=None)
_page: ContextVar[bool] = ContextVar("jobs_page", default=False)
_parent: Parent | None = None
"""Not a context variable: threads that a job starts are the job's, too, and a process has one job."""


@contextmanager
def of_request(request: Any, *, page: bool = False) -> Iterator[None]:
    """Have what is dispatched meanwhile, in this thread or task, say that it came from `request`.

    `page` says that a page of ours dispatches, by no code of the project's.
    """
    before, pages = _request.set(request), _page.set(page)
    try:
        yield
    finally:
        _page.reset(pages)
        _request.reset(before)


@contextmanager
def of_job(job_id: int, job_class: str) -> Iterator[None]:
    """Have what is dispatched meanwhile, in this process, say that it came from a job."""
    global _parent
    before, _parent = _parent, Parent(job_id, job_class)
    try:
        yield
    finally:
        _parent = before


def here() -> Origin:
    """Return the origin of what the caller dispatches. It costs a few microseconds and never fails."""
    request, parent = _request.get(), _parent
    if parent is not None:
        told = called(None) | {"job_class": parent.job_class}
        return Origin(told, parent.job_id)
    if request is None:
        return Origin(called(command_code()))
    return Origin(({} if _page.get() else called(None)) | told_of(request))


def called(command: CodeType | None) -> dict[str, str]:
    """Return the `code` that called, and the `command` it is in if that is looked for by its code."""
    told: dict[str, str] = {}
    frame: FrameType | None = sys._getframe(1)
    for _ in range(DEEPEST):
        if frame is None:
            break
        if frame.f_code is command:
            told["command"] = type(frame.f_locals["self"]).__module__.rpartition(".")[2]
            break
        if not told and (place := place_of(frame.f_globals.get("__name__"), frame.f_code)):
            told["code"] = f"{place}:{frame.f_lineno}"
            if command is None:
                break
        frame = frame.f_back
    return told


@lru_cache(1024)
def place_of(module: Any, code: CodeType) -> str:
    """Return the name of a function with its module; nothing for one that is passed over."""
    if f"{module}.".startswith(PASSED_OVER):
        return ""
    name = f"{module}.{code.co_qualname}".replace(".<locals>", "").replace(".<module>", "")
    return clean(name)[:LONGEST]


def command_code() -> CodeType | None:
    """Return the code that every management command runs in; None where none can be running."""
    base = sys.modules.get("django.core.management.base")
    return base.BaseCommand.execute.__code__ if base else None


def told_of(request: Any) -> dict[str, str]:
    """Return what is told of a request: its method and path, and who sent it."""
    path = request.path
    match = getattr(request, "resolver_match", None)
    for name, value in (match.kwargs if match else {}).items():
        if value and is_secret(name):
            path = path.replace(str(value), MASK)
    sent = {"request": f"{request.method} {path}", **user_of(request)}
    return {name: clean(text)[:LONGEST] for name, text in sent.items()}


def user_of(request: Any) -> dict[str, str]:
    """Return the user of a request, if one is logged in. A visitor without a session costs no query."""
    user = getattr(request, "user", None)
    is_open = isinstance(user, LazyObject) and user._wrapped is empty
    if user is None or (is_open and settings.SESSION_COOKIE_NAME not in request.COOKIES):
        return {}
    try:
        return {"user": str(user), "user_id": str(user.pk)} if user.is_authenticated else {}
    except Exception:
        # The dispatch is worth more than the name: a broken session shall not stop it.
        return {}
