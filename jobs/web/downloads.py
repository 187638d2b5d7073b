"""Downloads that take long: few at a time in one process, so that threads are left for pages."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from .responses import refuse

AT_A_TIME = 2
"""Downloads of one process. Each keeps a thread for as long as its reader takes, and waitress has four."""
PAUSE = 10
"""Seconds after which one that is refused may be asked for again."""

_places = threading.BoundedSemaphore(AT_A_TIME)


class Download:
    """The parts of one download. When it is closed, or forgotten, another one may begin."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts = parts
        # A response that some middleware drops is never closed.
        self.close = weakref.finalize(self, _places.release)

    def __iter__(self) -> Download:
        return self

    def __next__(self) -> str:
        return next(self._parts)


def download(
    request: HttpRequest, parts: Iterator[str], content_type: str, name: str
) -> HttpResponseBase:
    """Answer with a file of this name, made while it is sent; with 429 where others are being sent."""
    if not _places.acquire(blocking=False):
        refused = refuse(request, 429, busy=True)
        refused["Retry-After"] = str(PAUSE)
        return refused
    return StreamingHttpResponse(
        Download(parts),
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
