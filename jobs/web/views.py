"""The pages. Each loads what it shows with a fixed number of bounded queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.db import connections
from django.db.models import QuerySet, prefetch_related_objects
from django.db.models.expressions import Combinable

from ..models import Job, JobClass, Queue, Worker
from ..selection import Selection
from ..states import LIVE_WORKERS
from .filters import Filter, JobFilter
from .paging import KeyReach, Page, Reach, Row, page_of, reach_of, searched_page_of

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

HOSTS = "".join(
    f" UNION ALL SELECT 'host', hostname FROM (SELECT hostname FROM {Worker._meta.db_table}"  # noqa: S608
    f" WHERE {which} ORDER BY {order} DESC LIMIT {NAMES_OFFERED}) AS {order}_hosts"
    for which, order in (
        (f"status IN ({', '.join(map(repr, sorted(map(str, LIVE_WORKERS))))})", "lease_expires_at"),
        ("stopped_at IS NOT NULL", "stopped_at"),
    )
)
"""Those of workers that live or seem to, and of those that left or were lost last."""


def find(chosen: Filter, rows: QuerySet[Row], size: int) -> Page[Row]:
    """Return the page of `rows` that a filter asks for."""
    place = (rows, size, chosen.before, chosen.after)
    if not chosen.searches:
        return page_of(*place)
    return searched_page_of(*place, reach=KeyReach(rows, chosen.looks_through))


def find_jobs(
    chosen: Filter, selection: Selection, reach: Reach | None = None, **more: Combinable
) -> Page[Job]:
    """Return the page of a selection's jobs, with their tags and `more` columns, without large ones.

    A search goes as far as `reach` says, but the job whose number it is for is found however old.
    """
    rows = selection.jobs().defer(*LARGE_OF_JOB).annotate(**more)
    place = (rows, chosen.size, chosen.before, chosen.after)
    if selection.is_one_range:
        page = page_of(*place, key=selection.key, lead=selection.lead)
    else:
        page = searched_page_of(*place, key=selection.key, reach=reach or reach_of(selection))
        if chosen.before is None and chosen.after is None:
            page = topped(page, rows, selection.number)
    prefetch_related_objects(page.rows, "tag_rows")
    return page


def topped(page: Page[Job], rows: QuerySet[Job], number: int | None) -> Page[Job]:
    """Return a first page with the job of this number above the others, if `rows` has it further back.

    It stands at its own place as well, on the page that comes to it.
    """
    if number is None or page.older is None or any(job.pk == number for job in page.rows):
        return page
    return replace(page, rows=[*rows.filter(pk=number), *page.rows])


def links(chosen: Filter, page: Page[Any]) -> dict[str, Any]:
    """Return the addresses of the pages around this one, and how far its search went."""
    return {
        "span": chosen.looks_through,
        "first_url": chosen.url(),
        "clear_url": chosen.url(job_class="", queue=""),
        "newer_url": chosen.url(after=page.newer) if page.newer is not None else None,
        "older_url": chosen.url(before=page.older) if page.older is not None else None,
    }


def choices(chosen: Filter) -> dict[str, list[str]]:
    """Return the classes and queues that the filters offer."""
    with connections[JobClass.objects.db].cursor() as cursor:
        cursor.execute(NAMES)
        return offered(chosen, cursor.fetchall())


def offered(chosen: Filter, names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return (kind, name) by kind; a name that is chosen is offered even if nobody knows it."""
    found: dict[str, set[str]] = {"class": {chosen.job_class}, "queue": {chosen.queue}}
    if isinstance(chosen, JobFilter):
        found["host"] = {chosen.worker}
    for kind, name in names:
        if kind in found:
            found[kind].add(name)
    plurals = {"class": "classes", "queue": "queues", "host": "hosts"}
    return {plurals[kind]: sorted(names - {""}) for kind, names in found.items()}
