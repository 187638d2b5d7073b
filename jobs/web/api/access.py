"""Who may ask: a program with a token, or a user who is logged in. Refusals are never HTML."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt

from ...conf import conf
from ..limits import TooLong, limited
from ..responses import permission

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]
Refusal = Callable[["Refused"], HttpResponse]
SCHEME = "bearer "


class Refused(Exception):
    """A request that is not answered: with which status, and why in a sentence."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def as_json(refused: Refused) -> HttpResponse:
    told = {"error": {"status": refused.status, "message": refused.message}}
    return JsonResponse(told, status=refused.status, headers=refused.headers)


def as_text(refused: Refused) -> HttpResponse:
    return HttpResponse(
        f"{refused.message}\n",
        status=refused.status,
        content_type="text/plain; charset=utf-8",
        headers=refused.headers,
    )


def machine(
    *codenames: str,
    method: str = "GET",
    refusal: Refusal = as_json,
    token: Callable[[], str | None] = lambda: None,
) -> Callable[[View], View]:
    """Open a view to programs: to users, logged in or by API token, who hold every permission.

    `token` returns another token that opens it without a user. A POST of a logged-in user wants a
    CSRF token; one with an API token does not, since no browser sends that by itself.
    """
    methods = ("GET", "HEAD") if method == "GET" else (method,)

    def decorate(view: View) -> View:
        @csrf_exempt
        @login_not_required
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            seconds = conf.PAGE_TIMEOUT if method == "GET" else 0
            try:
                by_token = admit(request, codenames, token())
                if request.method not in methods:
                    allowed = ", ".join(methods)
                    message = f"{request.method} is not possible here: {allowed} is."
                    raise Refused(405, message, Allow=allowed)
                if method == "POST" and not by_token:
                    check_forgery(request)
                with limited(seconds):
                    response = view(request, *args, **kwargs)
            except Exception as error:
                response = refusal(explained(error))
            response["Cache-Control"] = "no-store"
            response["X-Content-Type-Options"] = "nosniff"
            return response

        return answer

    return decorate


def explained(error: Exception) -> Refused:
    """Return what a program is told of an error; what is not its own is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Http404):
        return Refused(404, str(error) or "There is nothing here.")
    if isinstance(error, PermissionDenied):
        return Refused(403, "This is not allowed.")
    if isinstance(error, SuspiciousOperation):
        return Refused(400, "The request cannot be read: it is too large, or has too many fields.")
    if isinstance(error, TooLong):
        return Refused(503, "The database was asked for too long: narrow what you ask for.")
    logger.error("A request of a program failed", exc_info=error)
    if isinstance(error, Error):
        return Refused(503, f"The database cannot be read: {type(error).__name__}.")
    return Refused(500, "This is an error of the server; its log says more.")


def admit(request: HttpRequest, codenames: tuple[str, ...], token: str | None) -> bool:
    """Set the user of a request, and return whether a token did so.

    Raises Refused for a request that may not ask this.
    """
    sent = bearer(request)
    if sent is not None:
        if token is not None and constant_time_compare(sent, token):
            return True
        request.user = user_of(sent)
    elif not request.user.is_authenticated:
        message = "Log in, or send the header Authorization: Bearer <token>."
        raise Refused(401, message, WWW_Authenticate="Bearer")
    missing = [name for name in codenames if not request.user.has_perm(permission(name))]
    if missing:
        raise Refused(403, f"This needs the permission {', '.join(missing)}.")
    return sent is not None


def bearer(request: HttpRequest) -> str | None:
    """Return the token of the Authorization header; None without one."""
    header = request.headers.get("Authorization", "")
    return header[len(SCHEME) :].strip() if header.lower().startswith(SCHEME) else None


def user_of(token: str) -> Any:
    """Return the user that the API token stands for. Raises Refused for any other token."""
    expected, name = conf.API_TOKEN, conf.API_USER
    refused = Refused(401, "This token opens nothing here.", WWW_Authenticate="Bearer")
    if expected is None or name is None or not constant_time_compare(token, expected):
        raise refused
    users: Any = get_user_model()._default_manager
    try:
        user = users.get_by_natural_key(name)
    except get_user_model().DoesNotExist:
        user = None
    if user is None or not user.is_active:
        logger.error("BACKGROUND_JOB_API_USER names no active user: %s", name)
        raise refused
    return user


class ForgeryCheck(CsrfViewMiddleware):
    """Django's check of CSRF tokens, which here says why instead of showing a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise Refused(403, f"The CSRF token does not fit: {reason}")


def check_forgery(request: HttpRequest) -> None:
    """Raise Refused for a change that a foreign site may have made a browser send."""

    def nothing(*_: Any) -> HttpResponse:
        return HttpResponse()

    check = ForgeryCheck(nothing)
    check.process_request(request)
    check.process_view(request, nothing, (), {})
