"""Tags on the pages: shown, filtered by, exported, and kept by a copy."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs import BackgroundJob
from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import export, paging
from tests.factories import make_job, make_user

from .test_export import objects, table
from .test_paging import walk

ODD = "caf\u00e9 & <b>"


class Labelled(BackgroundJob):
    """Its class gives it a tag for its number."""

    number: int = 1

    def tags(self) -> list[str]:
        return [f"number:{self.number}"]

    def handle(self) -> None: ...


def shown(client: Client, **query: str) -> list[int]:
    return [job.pk for job in client.get(f"/?{urlencode(query)}").context["page"].rows]


@pytest.fixture
def several(db: None) -> list[int]:
    """Thirty failed and thirty completed jobs, of which every third one is tagged."""
    jobs = [
        make_job(
            JobStatus.FAILED if n % 2 else JobStatus.COMPLETED,
            tags=["vip", "eu"] if n % 3 == 0 else [],
            job_class="shop.Rare" if n % 5 == 0 else "shop.SendInvoice",
        )
        for n in range(60)
    ]
    return [job.pk for job in jobs]


def test_a_tag_leads_to_the_jobs_that_have_it(operator: Client, several: list[int]) -> None:
    page = operator.get("/?status=failed").content.decode()
    assert '<a href="/?status=failed&amp;tag=vip"' in page
    assert shown(operator, tag="vip") == [pk for n, pk in enumerate(several) if n % 3 == 0][::-1]


def test_a_tag_is_found_as_it_stands_and_whatever_is_in_it(operator: Client) -> None:
    job = make_job(tags=[ODD, "vip"])
    assert shown(operator, tag=ODD) == [job.pk]
    assert shown(operator, tag="VIP") == shown(operator, tag="vi") == []
    assert f"?{urlencode({'tag': ODD})}" in operator.get(job.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"status": "failed"},
        {"class": "shop.Rare"},
        {"queue": "default"},
        {"status": "failed", "class": "shop.Rare", "q": "rare"},
        {"since": "1h"},
    ],
)
def test_a_tag_goes_together_with_other_filters(
    query: dict[str, str], operator: Client, several: list[int]
) -> None:
    tagged, rest = shown(operator, tag="vip", size="100"), shown(operator, **query, size="100")
    both = [pk for pk in tagged if pk in rest]
    assert shown(operator, tag="vip", **query, size="100") == both != []
    counts = operator.get(f"/counts/?{urlencode({'tag': 'vip'} | query)}").context["tabs"]
    status = query.get("status", "")
    assert {tab.status: tab.count.value for tab in counts}[status] == len(both)


@pytest.mark.parametrize("query", ["?tag=vip&size=25", "?tag=vip&status=failed", "?tag=vip&q=shop"])
def test_pages_of_a_tag_lead_through_all_of_it_and_back(
    query: str, operator: Client, several: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "ROWS", 4)
    wanted = shown(operator, **dict(pair.split("=") for pair in query[1:].split("&")))
    found = [pk for page in walk(operator, query, "next", at_most=9) for pk in page]
    tagged = [pk for n, pk in enumerate(several) if n % 3 == 0 and (n % 2 or "status" not in query)]
    assert found == tagged[::-1]
    assert wanted == found[: len(wanted)]
    back = walk(operator, f"{query}&before={several[0]}", "prev", at_most=9)
    assert {pk for page in back for pk in page} == set(tagged)


def test_a_search_among_the_jobs_of_a_tag_says_how_far_it_looks(operator: Client) -> None:
    make_job(tags=["vip"])
    page = operator.get("/?tag=vip&status=failed").content.decode()
    assert "Of the jobs with this tag, a page looks through 10,000" in page
    assert "a page looks through" not in operator.get("/?tag=vip").content.decode()


def test_a_page_reads_the_tags_of_all_its_jobs_with_one_query(
    operator: Client, several: list[int]
) -> None:
    with CaptureQueriesContext(connection) as queries:
        operator.get("/")
    assert sum("jobs_tag" in one["sql"] for one in queries) == 1


def test_all_that_have_a_tag_are_retried_and_no_other(operator: Client, several: list[int]) -> None:
    asked = {"all": "1", "filter": "?tag=vip"}
    page = operator.get(f"/jobs/retry/?{urlencode(asked)}")
    assert "<dt>Tag</dt><dd>vip</dd>" in page.content.decode()
    assert page.context["forecast"].estimate.jobs == 10
    answer = operator.post("/jobs/retry/run/", asked)
    assert "10 jobs are queued again." in str(next(iter(get_messages(answer.wsgi_request))))
    queued = set(Job.objects.filter(status=JobStatus.QUEUED).values_list("pk", flat=True))
    assert queued == {pk for n, pk in enumerate(several) if n % 3 == 0 and n % 2}


@pytest.mark.parametrize("query", ["tag=vip", "tag=vip&status=failed"])
def test_an_export_honours_the_tag_and_has_a_column_of_tags(
    query: str, operator: Client, several: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "AT_ONCE", 3)
    monkeypatch.setattr(paging, "ROWS", 5)
    rows, end = table(operator, query)
    wanted = [pk for n, pk in enumerate(several) if n % 3 == 0 and (n % 2 or "status" not in query)]
    assert [row["id"] for row in rows] == [str(pk) for pk in wanted[::-1]]
    assert {row["tags"] for row in rows} == {"vip,eu"}
    assert end.endswith("these are all")
    assert objects(operator, query)[0]["tags"] == ["vip", "eu"]


def test_the_api_tells_tags_and_filters_by_them(operator: Client) -> None:
    job = make_job(tags=["vip", "eu"])
    make_job()
    (told,) = operator.get("/api/jobs/?tag=eu").json()["jobs"]
    assert (told["id"], told["tags"]) == (job.pk, ["vip", "eu"])
    assert operator.get(f"/api/jobs/{job.pk}/").json()["job"]["tags"] == ["vip", "eu"]


def test_the_admin_shows_tags(db: None) -> None:
    client = Client()
    client.force_login(make_user("view_job", is_staff=True))
    job = make_job(tags=["vip", "eu"])
    assert "vip, eu" in client.get("/admin/jobs/job/").content.decode()
    assert "vip, eu" in client.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()


def test_the_command_for_a_new_one_names_the_tags(operator: Client) -> None:
    job = make_job(tags=["vip", "big one"])
    page = re.sub("</?span>", "", operator.get(job.get_absolute_url()).content.decode())
    assert "dispatch shop.SendInvoice --tag=vip &#x27;--tag=big one&#x27;" in page


def test_a_job_that_is_run_again_keeps_its_tags(operator: Client) -> None:
    old = Labelled(number=7).dispatch(tags=["vip"])
    operator.post(reverse("jobs:run_again", args=[old.pk]))
    assert Job.objects.exclude(pk=old.pk).get().tags == ("number:7", "vip")


@pytest.mark.parametrize(
    ("typed", "tags"),
    [({}, ("number:8", "vip")), ({"tags": "eu, big one,,"}, ("number:8", "eu", "big one"))],
)
def test_an_edited_copy_has_the_tags_of_its_class_by_its_new_arguments(
    typed: dict[str, str], tags: tuple[str, ...], operator: Client
) -> None:
    old = Labelled(number=7).dispatch(tags=["vip"])
    form = operator.get(reverse("jobs:edit", args=[old.pk])).content.decode()
    assert '<input name="tags" maxlength="600" value="vip">' in form
    operator.post(reverse("jobs:run_copy", args=[old.pk]), {"argument-number": "8", **typed})
    assert Job.objects.exclude(pk=old.pk).get().tags == tags


def test_an_impossible_tag_is_refused_with_what_was_typed(operator: Client) -> None:
    old = Labelled().dispatch()
    typed = {"argument-number": "1", "tags": "x" * 51}
    page = operator.post(reverse("jobs:run_copy", args=[old.pk]), typed).content.decode()
    assert "expected str of length &lt;= 50" in page
    assert f'value="{"x" * 51}"' in page


def test_an_argument_the_class_no_longer_takes_costs_no_tag(operator: Client) -> None:
    old = make_job(job_class=Labelled.job_name, arguments={"gone": 1}, tags=["number:3"])
    assert 'value="number:3"' in operator.get(reverse("jobs:edit", args=[old.pk])).content.decode()
