"""Fault 49: requests that would be expensive if nothing bounded them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from bench.fixture import fill
from bench.pages.living import visitor
from jobs.models import Job
from jobs.web import paging, stats
from jobs.web.downloads import AT_A_TIME
from jobs.web.export import LIMIT

from ..waiting import DEADLINE, wait_until
from .absurd import DAYS, MANY, absurd, make_world, short
from .conftest import Figure
from .figures import p95
from .invariants import no_transaction_is_left_open
from .polling import Polled
from .scale import SCALE, at_most, nightly, scaled
from .scene import Scene
from .site import MIB, Answer, Peak, Site, Visitor
from .touched import touched, unit
from .value_jobs import Talks

pytestmark = [pytest.mark.usefixtures("live_database"), pytest.mark.timeout(1800)]
JOBS, FEWER = scaled(1_000_000, 1_500), scaled(LIMIT, 1_500)
"""Of which one export is made, and where more of them would show nothing."""
LARGE = 30 * MIB
"""Of an export, at least: more than any buffer between it and its reader holds."""
POLLERS = 50
STALLED, WARM = 8, 8
GROWN = 32
"""MiB that the server may take beside what it took when it was warm."""
FEW, TIMES = 400_000, 3
"""Jobs of which a page looks at a part only, also of a tenth of them, and how many times as many it is compared with.

At any scale: tables of half the size PostgreSQL still reads as a whole, now and then.
"""
MORE_ROWS, SOME_ROWS = 1.5, 2_000 if connection.vendor != "sqlite" else 15_000
"""How many times, and how many, more are read of that many: indexes grow deeper."""
REACH = (100_000 if connection.vendor != "sqlite" else 1_000_000) if SCALE else 0
"""What a page may read in any case: how much of its reach it reads is for the database to choose."""


@pytest.fixture
def site(live_database: None, database_env: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    found = Site(database_env, tmp_path / "web.log")
    yield found
    found.stop()
    assert "Internal Server Error" not in found.output(), found.output()


def make_large_jobs() -> None:
    """Store jobs whose export is larger than what lies in buffers between the server and a reader."""
    fill(FEWER)
    Job.objects.update(arguments={"text": "x" * (LARGE // FEWER)})


def begin_and_leave(site: Site, address: str) -> bool:
    """Ask for a download and close the connection after its first MiB. Returns whether it began."""
    with site.visitor().reading(address) as response:
        return response.status == 200 and len(response.read(MIB)) > 0


def warm(site: Site, export: str) -> None:
    """Have each thread of the server make pages, and begin an export."""
    site.warm_up("/")
    for _ in range(WARM):
        wait_until(lambda: begin_and_leave(site, export), DEADLINE, site.output)
    site.at_rest()


class Reader(Thread):
    """Reads a download to its end, as fast as it comes."""

    def __init__(self, response: HTTPResponse) -> None:
        super().__init__()
        self.response, self.end = response, b""
        self.start()

    def run(self) -> None:
        while part := self.response.read(MIB):
            self.end = (self.end + part)[-MIB:]

    @property
    def last(self) -> str:
        """What the last line says."""
        line = self.end.decode().splitlines()[-1]
        return json.loads(line)["end"] if line.startswith("{") else line.strip('"# ')


def test_49_an_export_takes_no_memory_and_keeps_no_page_waiting(site: Site, figure: Figure) -> None:
    fill(JOBS)
    warm(site, "/export/csv/")
    written = min(JOBS, LIMIT)
    rest = "older ones were left out" if written < JOBS else "these are all"
    for kind in ("csv", "ndjson"):
        browser, peak, pages = site.visitor(), Peak(site), []
        began = time.monotonic()
        with browser.reading(f"/export/{kind}/") as response:
            reader = Reader(response)
            while reader.is_alive():
                pages.append(browser.get("/"))
                peak.look()
                reader.join(0.2)
        took = time.monotonic() - began
        assert reader.last.startswith(f"{written} jobs; {rest}")
        assert {one.status for one in pages} == {200}
        figure(
            f"{kind} of {JOBS:,} jobs: {written:,} written in {took:.1f} s, and the last line says "
            f"'{rest}'; server +{peak.grown:.1f} MiB; the list meanwhile {waits(pages)}"
        )
        assert peak.grown <= GROWN


def test_49_an_export_that_is_broken_off_leaves_nothing_behind(site: Site, figure: Figure) -> None:
    make_large_jobs()
    warm(site, "/export/ndjson/")
    before, peak, rounds = site.at_rest(), Peak(site), scaled(40, 8)
    for _ in range(rounds):
        # Each is let in as soon as the server has noticed that one before it has gone.
        wait_until(lambda: begin_and_leave(site, "/export/ndjson/"), DEADLINE, site.output)
        peak.look()
    after = site.at_rest()
    no_transaction_is_left_open()
    assert after.descriptors <= before.descriptors
    figure(
        f"{rounds} broken off: open transactions 0, descriptors "
        f"{after.descriptors - before.descriptors:+d}, server +{peak.grown:.1f} MiB"
    )
    assert peak.grown <= GROWN


def test_49_exports_that_nobody_reads_on_keep_no_page_waiting(site: Site, figure: Figure) -> None:
    make_large_jobs()
    warm(site, "/export/csv/")
    browser, peak = site.visitor(), Peak(site)
    with ExitStack() as stack:
        begun = [stack.enter_context(browser.reading("/export/csv/")) for _ in range(STALLED)]
        site.at_rest()
        peak.look()
        pages = [browser.get("/") for _ in range(20)]
        no_transaction_is_left_open()
    assert [one.status for one in begun] == [200] * AT_A_TIME + [429] * (STALLED - AT_A_TIME)
    assert {one.status for one in pages} == {200}
    figure(
        f"{STALLED} asked for and not read: {AT_A_TIME} begun, the others refused with 429, server "
        f"+{peak.grown:.1f} MiB; the list meanwhile {waits(pages)}"
    )
    assert peak.grown <= GROWN


@nightly
@pytest.mark.parametrize("page", ["list", "job", "log"])
def test_49_fifty_browsers_on_one_live_page_are_all_answered(
    site: Site, bare_scene: Scene, figure: Figure, page: str
) -> None:
    fill(FEWER)
    bare_scene.ready(1)
    job = Talks(folder=str(bare_scene.folder)).dispatch()
    bare_scene.started([job])
    address = {"list": "/", "job": f"/jobs/{job.pk}/", "log": f"/jobs/{job.pk}/attempts/1/"}[page]
    site.warm_up(address)
    found = Polled(site, address, POLLERS, scaled(60, 6))
    bare_scene.go()
    figure(f"{page}, while a job runs: {found}")
    check(found)


@nightly
def test_49_fifty_browsers_on_a_page_where_nothing_happens_are_told_so(
    site: Site, figure: Figure
) -> None:
    fill(FEWER)
    site.warm_up("/")
    # The first refresh of a page knows no tag yet.
    found = Polled(site, "/", POLLERS, scaled(60, 16))
    figure(f"list: {found}")
    check(found)
    assert found.unchanged > 0


def check(found: Polled) -> None:
    """All were answered, mostly before they would have asked again."""
    no_transaction_is_left_open()
    assert found.not_answered() == []
    assert found.slow <= at_most(found.pace)
    assert found.grown <= GROWN


@pytest.mark.skipif(
    not SCALE and connection.vendor != "sqlite",
    reason="tables as small as in a short run are read as a whole: make faults",
)
def test_49_absurd_parameters_lead_through_no_more_rows(
    live_database: None, monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    few, asked = FEW if SCALE else 2_000, scaled(600, 30)
    if not SCALE:
        # As few jobs as these are more than a page looks at only where that is less, too.
        for name, value in (("SPAN", 100), ("SLOW_SPAN", 50), ("ROWS", 40)):
            monkeypatch.setattr(paging, name, value)
        monkeypatch.setattr(stats, "CAP", 30)
    found = []
    for times in (1, TIMES):
        call_command("flush", interactive=False, verbosity=0)
        # No more of them in an hour: their sums would be more, too, until there are some of each kind.
        requests = absurd(make_world(times * few, times * DAYS, monkeypatch), asked)
        found.append([read_for(request) for request in requests])
    before, after = found
    more = [
        one
        for one in zip(before, after, short(requests), strict=True)
        if one[1] > max(one[0] * MORE_ROWS + SOME_ROWS, REACH)
    ]
    most = max(zip(after, short(requests), strict=True))
    figure(
        f"{asked} requests: at most {max(before):,} {unit()} read of {few:,} jobs, {most[0]:,} of "
        f"{TIMES * few:,}; {len(more)} of them beyond their bound; answers of 500 and above 0"
    )
    assert more == []


def read_for(address: str) -> int:
    """Ask for a page in this process, and return how much was read for it."""
    client = Client(SERVER_NAME="localhost", raise_request_exception=False)
    client.force_login(visitor())
    with transaction.atomic(), touched() as found:
        response = client.get(address)
    assert response.status_code < 500, (address, response.status_code)
    return found.count


def test_49_absurd_requests_are_all_answered(
    site: Site, monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    known = make_world(FEWER, DAYS, monkeypatch)
    browser, addresses, answers = site.visitor(), absurd(known, scaled(600, 40)), []
    for _ in range(2):
        # What the first round takes is what pages need that nobody had asked for before.
        peak = Peak(site)
        for address in addresses:
            answers.append((browser.get(address), address))
            peak.look()
        answers += thousands_of_ids(browser)
        peak.look()
    assert [(one.status, name) for one, name in answers if one.status >= 500] == []
    figure(
        f"{len(answers)} requests to {FEWER:,} jobs: {waits([one for one, _ in answers])}, server "
        f"+{peak.grown:.1f} MiB; answers of 500 and above 0"
    )
    assert peak.grown <= GROWN


def thousands_of_ids(browser: Visitor) -> list[tuple[Answer, str]]:
    """Send forms that name more jobs, or are larger, than a server takes."""
    forms = (MANY, f"{MANY}&{'x' * 3 * MIB}=1", f"filter={'x' * MIB}&all=1")
    found = [
        (browser.post(f"/jobs/{kind}/run/", form), f"{kind}, form {number}")
        for kind in ("retry", "cancel")
        for number, form in enumerate(forms)
    ]
    return [*found, (browser.get(f"/jobs/retry/?{MANY}"), "retry, thousands of ids")]


def waits(pages: list[Answer]) -> str:
    times = [1000 * one.seconds for one in pages]
    return f"p95 {p95(times):.0f} ms, longest {max(times):.0f} ms"
