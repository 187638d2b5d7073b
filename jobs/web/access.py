"""Who may see what. Every view is closed unless it says which permissions open it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.conf import global_settings, settings
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.urls import reverse
from django.views.decorators.csrf import csrf_protect

from .responses import permission, refuse

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
            return answer(view, request, *args, **kwargs)

        return standalone(guarded)

    return decorate


def answer(view: View, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
    """Call `view`, and give the errors a visitor can meet a page of their own."""
    try:
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise PermissionDenied
        return view(request, *args, **kwargs)
    except Http404:
        return refuse(request, 404)
    except PermissionDenied:
        return refuse(request, 403)
    except DatabaseError as error:
        logger.exception("The dashboard cannot read the database")
        return refuse(request, 503, error=type(error).__name__)


def standalone(view: View) -> View:
    """Protect a view against forged requests and send our headers with its answers."""

    @wraps(view)
    def hardened(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = POLICY.format(origin=static_origin())
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        response["Referrer-Policy"] = "same-origin"
        return response

    return csrf_protect(hardened)


def static_origin() -> str:
    """Return the origin of the static files with a space before it; empty where it is our own."""
    parts = urlsplit(settings.STATIC_URL or "")
    return f" {parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def login_url() -> str:
    """Return the project's login page if it names one, else ours."""
    named = settings.LOGIN_URL != global_settings.LOGIN_URL
    return settings.LOGIN_URL if named else reverse("jobs:login")
