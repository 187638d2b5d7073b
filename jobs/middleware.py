"""Tells jobs which request, and whose, they were dispatched in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from .origins import of_request

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class OriginMiddleware:
    """Has each job that a request dispatches say so, with the user who is logged in.

    It may stand anywhere in `MIDDLEWARE`, and works with and without ASGI. Without it jobs tell
    only which code dispatched them.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if self.is_async:
            return self._answer_later(request)
        with of_request(request):
            answer: HttpResponseBase = self.get_response(request)
            return answer

    async def _answer_later(self, request: HttpRequest) -> HttpResponseBase:
        with of_request(request):
            answer: HttpResponseBase = await self.get_response(request)
            return answer
