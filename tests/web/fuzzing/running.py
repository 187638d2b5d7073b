"""Sends the requests and says which answers are none: 500 and above, a warning, a silent write."""

from __future__ import annotations

import logging
import re
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from django.conf import settings
from django.core.signals import got_request_exception
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.client import ClientHandler
from django.test.utils import override_settings
from django.utils import timezone

from .addresses import addresses
from .drawing import Request, draw, plain
from .world import TOKEN, World

BATCH = 100
"""Requests after which everything is again as it was."""
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "Pacific/Pago_Pago")
WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b(?!.*\bdjango_session\b)", re.I | re.S)
CHANGED = {
    "ROOT_URLCONF": "jobsystem.urls",
    "ALLOWED_HOSTS": ["testserver", "localhost", "[::1]"],
    "WHITENOISE_AUTOREFRESH": False,
    "BACKGROUND_JOB_API_TOKEN": TOKEN,
    "BACKGROUND_JOB_API_USER": "operator",
    "BACKGROUND_JOB_METRICS_TOKEN": TOKEN,
}

DJANGOS_OWN = (
    # More than 1,000 parameters beside a Content-Type with a charset, before any of our code.
    "in _set_content_type_params",
    # `_to_field=` in the admin of users and groups: it looks for a column without a name.
    "is None else model._meta.get_field(from_field)",
)
"""What tracebacks of errors hold that no project can mend: Django 5.2 and 6.1."""


@dataclass
class Finding:
    request: Request
    why: str
    story: str = ""

    def told(self, seed: int) -> str:
        return (
            f"seed {seed}, request {self.request.number}: {self.why}\n{self.request}\n{self.story}"
        )


@dataclass
class Result:
    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    """Routes that answered anything, and below those that could do what they are there for, or say why not now."""
    opened: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    of_django: int = 0
    """Errors of Django before or beside our code: see DJANGOS_OWN."""

    def __str__(self) -> str:
        classes: Counter[int] = Counter()
        for status, count in self.statuses.items():
            classes[status // 100] += count
        told = ", ".join(f"{each}xx {classes[each]:,}" for each in range(1, 6) if classes[each])
        return (
            f"{self.statuses.total():,} requests: {told}; {len(self.findings)} findings, and "
            f"{self.of_django} errors of Django's own; "
            f"{len(self.reached)} of {len(addresses())} addresses; seed {self.seed}"
        )


class Unread(RequestFactory):
    """Makes what a server would hand over; a request that was made of it has changed it."""

    def request(self, **request: Any) -> Any:
        return self._base_environ(**request)  # type: ignore[attr-defined]


class Fuzz:
    """One run on an open, empty database."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.result = Result(seed)
        self.known = addresses()
        self.errors: list[str] = []
        self.writes: list[str] = []

    def run(self, count: int) -> Result:
        """Send `count` requests, of which the first ones are plain: each address, by GET and POST."""
        with override_settings(**CHANGED), self._listening(), warnings.catch_warnings():
            warnings.simplefilter("error")
            self.world = World.make()
            self.handlers = {strict: ClientHandler(strict) for strict in (False, True)}
            for start in range(0, count, BATCH):
                self._batch(range(start, min(start + BATCH, count)))
        return self.result

    def request(self, number: int) -> Request:
        place, method = number // 2, ("GET", "POST")[number % 2]
        if place < len(self.known):
            return plain(number, self.known[place], method, self.world)
        return draw(self.seed, number, self.known, self.world)

    def _batch(self, numbers: range) -> None:
        zone = Random(f"{self.seed}/{numbers.start}").choice(ZONES)
        left = list(numbers)
        while left:
            with transaction.atomic(), timezone.override(zone):
                # What an error has left of a transaction is of no use for those that follow.
                while left and self._send(self.request(left.pop(0))):
                    pass
                transaction.set_rollback(True)

    def _send(self, request: Request) -> bool:
        """Send one, and note what is wrong with its answer. Returns whether nothing is."""
        self.errors.clear()
        self.writes.clear()
        try:
            status = self._status(request)
        except Exception as error:
            self.errors.append("".join(traceback.format_exception(error)))
            status = 599
        self.result.statuses[status] += 1
        if why := self._wrong(request, status):
            self.result.findings.append(Finding(request, why, "\n".join(self.errors)))
        return not why

    def _status(self, request: Request) -> int:
        response: Any = self.handlers[request.strict](self._environ(request))
        if response.streaming:
            b"".join(response.streaming_content)
        if found := getattr(response.wsgi_request, "resolver_match", None):
            self.result.reached.add(found.route)
            if response.status_code < 400 or response.status_code == 409:
                self.result.opened.add(found.route)
        return int(response.status_code)

    def _environ(self, request: Request) -> dict[str, Any]:
        sent = dict(request.headers)
        session = f"{settings.SESSION_COOKIE_NAME}={self.world.sessions[request.user]}"
        sent["Cookie"] = "; ".join(filter(None, (session, sent.get("Cookie"))))
        made: Any = Unread(headers=sent).generic(
            request.method, request.path, request.body, content_type=request.content_type
        )
        return cast("dict[str, Any]", made)

    def _wrong(self, request: Request, status: int) -> str:
        if status >= 500 and any(one in error for error in self.errors for one in DJANGOS_OWN):
            self.result.of_django += 1
            return ""
        # That it is not ready, without a worker, is an answer.
        if status >= 500 and not request.path.startswith("/health/ready"):
            return f"answered {status}" if status != 599 else "raised"
        if self.writes and (request.method != "POST" or status in (400, 401, 403, 404, 405)):
            return f"answered {status} and wrote: {self.writes[0][:200]}"
        return ""

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Collect what errors are logged or hidden behind a page, and what is written."""
        root = logging.getLogger()
        handler = logging.Handler()
        handler.emit = self._log  # type: ignore[method-assign]
        before, root.handlers = root.handlers, [handler]
        got_request_exception.connect(self._note)
        try:
            with connection.execute_wrapper(self._watch):
                yield
        finally:
            got_request_exception.disconnect(self._note)
            root.handlers = before

    def _log(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self.errors.append("".join(traceback.format_exception(record.exc_info[1])))

    def _note(self, **_: Any) -> None:
        self.errors.append(traceback.format_exc())

    def _watch(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if WRITES.match(str(sql)):
            self.writes.append(str(sql))
        return execute(sql, params, many, context)
