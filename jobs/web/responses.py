"""How pages are rendered: with the visitor's rights, and as 304 when nothing changed."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.shortcuts import render as render_template
from django.utils.http import url_has_allowed_host_and_scheme

from ..models import Job

LIVE_HEADER = "X-Jobs-Live"
"""Sent by `jobs.js` when it fetches a page again."""

CODENAMES = (
    *("view_job_arguments", "view_job_logs", "retry_job", "cancel_job", "dispatch_job"),
    *("manage_queue", "manage_worker"),
)

# The token is masked anew in every answer; without this no two answers would be equal.
_token = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]+"')


def permission(codename: str) -> str:
    """Return the full name of one of our permissions."""
    return f"{Job._meta.app_label}.{codename}"


def render(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Render a page, or answer 304 where the visitor has it already."""
    live = LIVE_HEADER in request.headers
    context = {
        "can": {name: request.user.has_perm(permission(name)) for name in CODENAMES},
        # A message belongs to the page its reader is waiting for, not to a refresh behind it.
        "notices": () if live else get_messages(request),
        **(context or {}),
    }
    response = render_template(request, template, context, status=status)
    tag = f'"{hashlib.blake2b(_token.sub(b"", response.content), digest_size=12).hexdigest()}"'
    if live and request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    response["ETag"] = tag
    return response


def refuse(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    """Render the page of an error; it reads nothing from the database, with 503 not even who asks."""
    return render_template(
        request, "jobs/refused.html", {"status": status, "bare": True, **context}, status=status
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that leads nowhere: `handler404` of a project may name it."""
    return refuse(request, 404)


def to_next(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """Return to the page an action was asked for on, if it is one of this site."""
    target = request.POST.get("next", "")
    trusted = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(target if trusted else otherwise)
