"""Every page is asked by `python -m bench.pages`, and it works on a few hundred jobs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse

from bench.fixture import fill
from bench.pages import asking, living, report
from bench.pages.addresses import Page, pages
from bench.pages.asking import Taken
from bench.pages.filters import Known
from jobs.states import JobStatus

from .plans import plan

JOBS = 300
NO_PAGE = {"login", "logout", "api_unknown"}
"""What anybody may ask for, and what never finds anything."""


@pytest.fixture
def known(db: None, monkeypatch: pytest.MonkeyPatch) -> Known:
    """A database with some jobs, and with a little of all that lives."""
    few = {JobStatus.QUEUED: 9, JobStatus.SCHEDULED: 2, JobStatus.RETRYING: 2}
    monkeypatch.setattr(living, "BACKLOG", few)
    # Of less than a page Django's admin reads all, without a limit.
    monkeypatch.setattr(living, "AUDITED", 60)
    monkeypatch.setattr(asking, "WARM_UP", 0)
    for name in ("GONE", "OPERATIONS", "WITH_OUTPUT", "LONG_LOG"):
        monkeypatch.setattr(living, name, 6)
    fill(JOBS)
    living.settle()
    # Databases number on from what other tests have stored.
    return Known.read(JOBS)


@pytest.fixture
def visitor(known: Known) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(living.visitor())
    return client


def routes(resolver: URLResolver) -> Iterator[URLPattern]:
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from routes(one)
        else:
            yield one


@pytest.mark.once
def test_every_page_that_can_be_asked_for_is(known: Known, visitor: Client) -> None:
    (ours,) = [
        one
        for one in get_resolver().url_patterns
        if isinstance(one, URLResolver) and one.namespace == "jobs"
    ]
    addresses = [address for page in pages(known) for address in page.addresses]
    asked = {resolve(urlsplit(address).path).route for address in addresses}
    values = {"job_id": 1, "number": 1, "kind": "csv", "operation_id": 1, "rest": "x"}
    values["worker_id"] = "00000000-0000-0000-0000-000000000001"
    for route in routes(ours):
        if str(route.pattern) not in asked and route.name not in NO_PAGE:
            given = {name: values[name] for name in route.pattern.converters}
            status = visitor.get(reverse(f"jobs:{route.name}", kwargs=given)).status_code
            assert status == 405, f"{route.name} answers, and is not measured"


@pytest.mark.once
def test_every_table_of_the_admin_is_asked_for(known: Known) -> None:
    asked = {urlsplit(one).path for page in pages(known) for one in page.addresses}
    for model in admin.site._registry:
        if model._meta.app_label == "jobs":
            assert reverse(f"admin:jobs_{model._meta.model_name}_changelist") in asked


LARGE = re.compile(r"SCAN (jobs_(?:job|attempt|outputchunk|auditentry))\b")


def whole_reads(queries: CaptureQueriesContext, looked_at: set[str]) -> list[str]:
    """Return the queries that read a large table from end to end, of those not looked at before."""
    new = {query["sql"] for query in queries if "jobs_" in query["sql"]} - looked_at
    looked_at |= new
    # Other databases word it otherwise.
    asked = [sql for sql in new if "LIMIT" not in sql] if connection.vendor == "sqlite" else []
    return [sql for sql in asked if LARGE.search(plan(sql))]


def test_every_page_takes_at_most_twelve_queries_and_reads_no_table_from_end_to_end(
    known: Known, visitor: Client
) -> None:
    found, unbounded, looked_at = {}, {}, set[str]()
    for page in pages(known):
        place = page.group, page.what
        with CaptureQueriesContext(connection) as queries:
            found[place] = asking.ask(visitor, page, 1)
        if whole := whole_reads(queries, looked_at):
            unbounded[place] = whole
    assert len(found) == len(pages(known))
    wrong = {place: one["failed"] for place, one in found.items() if one["failed"]}
    assert not wrong
    many = {place: one["queries"] for place, one in found.items() if one["queries"] > 12}
    assert not many
    assert not unbounded


# -- reports ---------------------------------------------------------------------------------------


def taken(group: str, what: str, *times: float, store: str = "sqlite", queries: int = 5) -> Taken:
    machine = dict.fromkeys(("at", "commit", "cpu", "cores", "memory_gib", "system"), "?")
    machine |= {"python": "3", "django": "5", "database": store, "load": "0.1"}
    return Taken(
        run="r",
        store=store,
        jobs=5,
        group=group,
        what=what,
        example="/x",
        queries=queries,
        times=list(times),
        machine=machine,
    )


def test_a_page_that_is_too_slow_or_asks_too_much_is_marked() -> None:
    found = [taken("Jobs", "fast", 3.0, 4.0), taken("Jobs", "slow", 3.0, 101.0)]
    found.append(taken("Jobs", "asks", 3.0, queries=13))
    rows = report.printed(found).splitlines()[-3:]
    assert [row.endswith("| ✗ |") for row in rows] == [False, True, True]


def test_the_published_table_has_the_worst_of_each_group() -> None:
    found = [taken("Jobs", "fast", 3.0), taken("Jobs", "slow", 7.0), taken("Job", "any", 2.0)]
    found += [taken("Jobs", "slow", 5.0, store="postgresql", queries=9)]
    table = report.published(found)
    assert "| Jobs | 2 | ≤ 9 | 7.00 | slow | 5.00 | slow |" in table
    assert "| Job | 1 | ≤ 5 | 2.00 | any | – |  |" in table
    assert "4 of 4 stay within" in table


def test_times_come_back_from_their_file(tmp_path: Path) -> None:
    one = taken("Jobs", "none", 1.0)
    asking.append(tmp_path / "pages.jsonl", [one])
    assert asking.read(tmp_path / "pages.jsonl") == [one]


@pytest.mark.once
def test_a_page_that_does_not_answer_is_told(visitor: Client) -> None:
    found = asking.ask(visitor, Page("Job", "none", ["/jobs/999999999/"]), 1)
    assert found["failed"] == "/jobs/999999999/: 404"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it brings its own SQLite")
def test_the_command_makes_a_database_once_and_prints_a_table(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.pages", "--database", "sqlite", "--jobs", str(JOBS)]
    command += ["--folder", str(tmp_path), "--results", str(tmp_path / "x.jsonl"), "--asked", "1"]
    root = Path(__file__).parents[1]
    for made in (True, False):
        done = subprocess.run(
            [*command, "--only", "Queues"], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert ("300 jobs …" in done.stderr) == made
        assert "| Queues | all | `/queues/` |" in done.stdout
