from __future__ import annotations

import re

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import paging, stats
from jobs.web.paging import page_of
from tests.factories import make_job


def link(html: str, relation: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{relation}"', html)
    return found[1].replace("&amp;", "&") if found else None


def walk(client: Client, path: str, relation: str, at_most: int = 100) -> list[list[int]]:
    """Follow the links of one direction; return the ids of each page, of so many at most."""
    pages: list[list[int]] = []
    next_path: str | None = path
    while next_path is not None and len(pages) < at_most:
        answer = client.get(f"/{next_path}")
        pages.append([job.pk for job in answer.context["page"].rows])
        next_path = link(answer.content.decode(), relation)
    return pages


@pytest.fixture
def sixty(db: None) -> list[int]:
    return [make_job(JobStatus.COMPLETED).pk for _ in range(60)][::-1]


def test_older_leads_through_every_job_once_newest_first(sixty, operator) -> None:
    pages = walk(operator, "", "next")
    assert [pk for page in pages for pk in page] == sixty
    assert [len(page) for page in pages] == [25, 25, 10]


def test_newer_leads_back_over_the_same_pages(sixty, operator) -> None:
    last = f"?before={sixty[49]}"
    assert walk(operator, last, "prev") == [sixty[50:], sixty[25:50], sixty[:25]]


def test_the_filter_stays_while_paging(sixty, operator) -> None:
    html = operator.get("/?status=completed&queue=default&size=50").content.decode()
    address = link(html, "next") or ""
    assert set(address.removeprefix("?").split("&")) == {
        *("queue=default", "size=50", "status=completed"),
        f"before={sixty[49]}",
    }


def test_rows_that_vanish_do_not_disturb_the_next_page(sixty, operator) -> None:
    Job.objects.filter(pk__in=sixty[20:30]).delete()
    page = operator.get(f"/?before={sixty[24]}").context["page"]
    assert [job.pk for job in page.rows] == sixty[30:55]


@pytest.mark.parametrize(("asked", "given"), [("25", 25), ("50", 50), ("100", 100), ("7", 25)])
def test_a_page_has_one_of_three_sizes(asked, given, operator) -> None:
    for _ in range(101):
        make_job()
    assert len(operator.get(f"/?size={asked}").context["page"].rows) == given


def test_a_place_past_the_end_offers_a_way_back(sixty, operator) -> None:
    html = operator.get("/?before=1").content.decode()
    assert "The end of the list" in html


@pytest.fixture
def narrow(monkeypatch) -> None:
    """Let a page look through ten keys only."""
    monkeypatch.setattr(paging, "SPAN", 10)


def test_a_search_ends_where_older_jobs_were_pruned(operator) -> None:
    make_job(pk=10 * paging.SPAN)
    html = operator.get("/?queue=other&class=shop.Other").content.decode()
    assert "No job matches" in html
    assert link(html, "next") is None


@pytest.mark.usefixtures("narrow", "sixty")
def test_a_search_by_two_columns_goes_further_back_when_asked(operator) -> None:
    wanted = make_job(JobStatus.FAILED, job_class="shop.Rare")
    for _ in range(35):
        make_job(JobStatus.FAILED)
    # Down to the first key there may be any number of pages: keys are not taken twice.
    pages = walk(operator, "?status=failed&class=shop.Rare", "next", at_most=5)
    assert [len(page) for page in pages] == [0, 0, 0, 1, 0]
    assert pages[3] == [wanted.pk]
    html = operator.get("/?status=failed&class=shop.Rare").content.decode()
    assert "Search further back" in html
    assert "No match so far" in html


@pytest.mark.usefixtures("narrow", "sixty")
def test_a_search_leads_back_up_to_the_newest(operator) -> None:
    wanted = [make_job(JobStatus.FAILED).pk for _ in range(25)]
    pages = walk(operator, f"?status=failed&queue=default&before={wanted[0]}", "prev")
    assert set(wanted) <= {pk for page in pages for pk in page}


@pytest.mark.usefixtures("narrow", "sixty")
def test_counts_of_a_search_say_that_there_may_be_more(operator) -> None:
    tabs = operator.get("/counts/?class=shop.SendInvoice&queue=default").context["tabs"]
    assert {tab.status: tab.count for tab in tabs}["completed"] == stats.Count(10, capped=True)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(count=st.integers(0, 12), size=st.integers(1, 5), place=st.integers(0, 15), up=st.booleans())
def test_a_page_is_a_slice_of_the_list(db, count, size, place, up) -> None:
    ids = list(range(count, 0, -1))
    Job.objects.all().delete()
    for pk in reversed(ids):
        make_job(pk=pk)
    before, after = (None, place) if up else (place, None)
    found = [job.pk for job in page_of(Job.objects.all(), size, before, after).rows]
    if not up:
        assert found == [pk for pk in ids if pk < place][:size]
    else:
        above = [pk for pk in ids if pk > place]
        assert found == (above[-size:] if len(above) > size else ids[:size])
