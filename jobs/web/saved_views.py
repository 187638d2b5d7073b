"""Filters of the list that their users have given a name."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from ..lifecycle.auditing import name_of
from ..models import SavedView
from .access import closed
from .filters import JobFilter, text
from .names import MOST_VIEWS, Names
from .responses import to_next

LONGEST_NAME = 50


class Shown(NamedTuple):
    """A saved view as the list links it."""

    name: str
    query: str
    current: bool


def views_of(names: Names, chosen: JobFilter) -> list[Shown]:
    """Return the views of a user, and whether each is what the list shows."""
    return [Shown(name, query, query == chosen.url()) for name, query in names.views]


def mine(user: Any) -> QuerySet[SavedView]:
    return SavedView.objects.filter(owner_id=str(user.pk))


@closed("view_job", method="POST")
def save(request: HttpRequest) -> HttpResponseBase:
    chosen = JobFilter.of_address(request.POST.get("filter", ""))
    name = text(request.POST, "name", 200).strip()
    if refused := refusal(request, chosen, name):
        messages.error(request, refused, fail_silently=True)
    else:
        owner = {"owner_id": str(request.user.pk), "owner_name": name_of(request.user)}
        view = SavedView(name=name, query=chosen.url(), **owner)
        # First where there is none, then whatever there is: the same, however often it is asked.
        SavedView.objects.bulk_create([view], ignore_conflicts=True)
        mine(request.user).filter(name=name).update(query=view.query)
        saved = _("The view “%(name)s” is saved.") % {"name": name}
        messages.success(request, saved, fail_silently=True)
    return to_next(request, reverse("jobs:list") + chosen.url())


def refusal(request: HttpRequest, chosen: JobFilter, name: str) -> str:
    """Return why a view cannot be saved; nothing where it can."""
    if not chosen.narrows:
        return _("There is no filter to save.")
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        return _("Give the view a name of up to %(most)s characters.") % {"most": LONGEST_NAME}
    others = mine(request.user).exclude(name=name)
    if others[:MOST_VIEWS].count() >= MOST_VIEWS:
        return _("You have %(most)s views, and that is the most: delete one first.") % {
            "most": MOST_VIEWS
        }
    return ""


@closed("view_job", method="POST")
def delete(request: HttpRequest) -> HttpResponseBase:
    name = text(request.POST, "view", LONGEST_NAME)
    deleted, _models = mine(request.user).filter(name=name).delete()
    if deleted:
        said = _("The view “%(name)s” is deleted.") % {"name": name}
        messages.success(request, said, fail_silently=True)
    else:
        said = _("You have no view of the name “%(name)s”.") % {"name": name}
        messages.warning(request, said, fail_silently=True)
    return to_next(request, reverse("jobs:list"))
