"""The pages. Each loads what it shows with a fixed number of bounded queries."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import QuerySet

from ..models import JobClass, Queue
from .filters import Filter
from .paging import SPAN, Page, Row, page_of, searched_page_of

LARGE_OF_JOB = ("arguments", "result")
LARGE_OF_ATTEMPT = ("error_message", "traceback", "receipt", "samples")
"""Columns that no list reads."""

ATTEMPTS_SHOWN = 50
NAMES_OFFERED = 500
NAMES = " UNION ALL ".join(
    f"SELECT '{kind}', name FROM (SELECT name FROM {model._meta.db_table}"  # noqa: S608
    f" ORDER BY name LIMIT {NAMES_OFFERED}) AS {kind}_names"
    for kind, model in (("class", JobClass), ("queue", Queue))
)


def find(chosen: Filter, rows: QuerySet[Row], size: int) -> Page[Row]:
    """Return the page of `rows` that a filter asks for."""
    page = searched_page_of if chosen.searches else page_of
    return page(rows, size, chosen.before, chosen.after)


def links(chosen: Filter, page: Page[Any]) -> dict[str, Any]:
    """Return the addresses of the pages around this one, and how far its search went."""
    return {
        "span": SPAN,
        "first_url": chosen.url(),
        "clear_url": chosen.url(job_class="", queue=""),
        "newer_url": chosen.url(after=page.newer) if page.newer is not None else None,
        "older_url": chosen.url(before=page.older) if page.older is not None else None,
    }


def choices(chosen: Filter) -> dict[str, Any]:
    """Return what the filters offer; a name that is chosen is offered even if nobody knows it."""
    with connections[JobClass.objects.db].cursor() as cursor:
        cursor.execute(NAMES)
        found = cursor.fetchall()
    classes = {name for kind, name in found if kind == "class"}
    queues = {name for kind, name in found if kind == "queue"}
    return {
        "classes": sorted({*classes, chosen.job_class} - {""}),
        "queues": sorted({*queues, chosen.queue} - {""}),
    }
