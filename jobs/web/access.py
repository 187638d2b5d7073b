"""Who may see what. Every view is closed unless it says which permissions open it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.conf import global_settings, settings
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
)
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import reverse
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt

from ..conf import conf
from .limits import TooLong, limited
from .responses import permission, refuse
from .zones import zone_of

logger = logging.getLogger(__name__)

View = Callable[..., HttpResponseBase]

POLICY = (
    "default-src 'none'; script-src 'self'{origin}; style-src 'self'{origin}; "
    "img-src 'self'{origin} data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Login(LoginView):
    template_name = "jobs/login.html"
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        return reverse("jobs:list")


def closed(*codenames: str, method: str = "GET") -> Callable[[View], View]:
    """Open a view to users who are logged in and hold every permission in `codenames`.

    Anonymous visitors are sent to the login page, others get a page that says which permission
    they lack. The view answers `method` only (GET includes HEAD).
    """
    methods = ["GET", "HEAD"] if method == "GET" else [method]

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path(), login_url())
            missing = [name for name in codenames if not request.user.has_perm(permission(name))]
            if missing:
                return refuse(request, 403, missing=missing)
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            check_sending(request)
            return view(request, *args, **kwargs)

        return standalone(guarded)

    return decorate


def check_sending(request: HttpRequest) -> None:
    """Raise for a form of another site, and for one that cannot be read.

    Here, before any of it has changed something.
    """
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise PermissionDenied
    _ = request.POST


def explaining(view: View) -> View:
    """Give the errors that a visitor can meet a page of their own.

    The visitor is read from the database, too: a view asks who that is inside of this.
    """

    @wraps(view)
    def explained(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        # What changes something is let go on to its end.
        seconds = conf.PAGE_TIMEOUT if request.method in ("GET", "HEAD") else 0
        try:
            with limited(seconds):
                return view(request, *args, **kwargs)
        except Http404:
            return refuse(request, 404)
        except PermissionDenied:
            return refuse(request, 403)
        except TooLong:
            logger.warning("%s took longer than %s s", request.path, seconds)
            return refuse(request, 503, too_long=seconds)
        except Error as error:
            logger.exception("The dashboard cannot read the database")
            return refuse(request, 503, error=type(error).__name__)

    return explained


class ForgeryCheck(CsrfViewMiddleware):
    """Django's check of CSRF tokens, which here refuses with a page of ours."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        logger.warning("A form for %s was refused: %s", request.path, reason)
        # The other reasons are about where the form was sent from: no new token helps there.
        return refuse(request, 403, outdated=reason.startswith("CSRF"))


checked = decorator_from_middleware(ForgeryCheck)


def standalone(view: View) -> View:
    """Protect a view against forged requests, explain its errors, and send our headers with all."""
    explained = explaining(checked(view))

    @wraps(view)
    def hardened(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        with zone_of(request):
            response = explained(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY.format(origin=static_origin())
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "same-origin"
        return response

    # Checked inside of this, for a middleware of the project would refuse with a page of its own.
    return csrf_exempt(hardened)


def static_origin() -> str:
    """Return the origin of the static files with a space before it; empty where it is our own."""
    parts = urlsplit(settings.STATIC_URL or "")
    return f" {parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def login_url() -> str:
    """Return the project's login page if it names one, else ours."""
    named = settings.LOGIN_URL != global_settings.LOGIN_URL
    return settings.LOGIN_URL if named else reverse("jobs:login")
