"""Where a job comes from, on the pages: told, linked both ways, filtered by and exported."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Job
from jobs.states import JobStatus
from jobs.web.detail import CHILDREN_SHOWN
from tests.factories import make_audit, make_job, make_user

from ..sample_jobs import Returns
from .conftest import ALL
from .test_export import objects, table
from .test_timeline import page, story

CODE = "shop.views.checkout:41"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"code": CODE}, f"Dispatched from {CODE}"),
        (
            {"code": CODE, "request": "POST /buy/", "user": "ana", "user_id": "7"},
            f"Dispatched by ana in the request POST /buy/ from {CODE}",
        ),
        ({"code": CODE, "request": "GET /"}, f"Dispatched in the request GET / from {CODE}"),
        ({"code": CODE, "command": "restock"}, f"Dispatched by manage.py restock from {CODE}"),
        (None, "Dispatched by code"),
    ],
)
def test_the_story_begins_with_where_it_came_from(
    origin: dict[str, str] | None, said: str, operator: Client
) -> None:
    job = make_job(origin=origin)
    told, day, _ = re.split(r" (\d{4}-\d\d-\d\d) ", story(page(operator, job))[0])
    assert (told, day) == (said, f"{job.created_at:%Y-%m-%d}")


def test_a_job_and_those_it_dispatched_lead_to_each_other(operator: Client) -> None:
    parent = make_job(JobStatus.RUNNING, job_class="shop.Import")
    child = make_job(parent_id=parent.pk, origin={"job_class": "shop.Import", "code": CODE})
    assert (
        f"Dispatched by job #{parent.pk} shop.Import from {CODE}" in story(page(operator, child))[0]
    )
    assert f'href="{parent.get_absolute_url()}"' in page(operator, child)
    html = page(operator, parent)
    assert "Jobs it dispatched" in html
    assert f'href="{child.get_absolute_url()}"' in html
    assert "Jobs it dispatched" not in page(operator, child)


def test_only_some_of_many_are_shown_and_the_list_shows_all(operator: Client) -> None:
    parent = make_job()
    children = [make_job(parent_id=parent.pk).pk for _ in range(CHILDREN_SHOWN + 2)]
    make_job(parent_id=parent.pk + 1)
    html = page(operator, parent)
    (panel,) = re.findall(r"Jobs it dispatched</h2>(.*?)</section>", html, re.DOTALL)
    assert len(re.findall("<li>", panel)) == CHILDREN_SHOWN
    assert "Show all of them" in panel
    answer = operator.get(f"/?parent={parent.pk}")
    assert [job.pk for job in answer.context["page"].rows] == children[::-1]
    assert "a page looks through" not in answer.content.decode()


def test_the_filter_by_parent_is_named_kept_by_the_form_and_removed(operator: Client) -> None:
    html = operator.get("/?parent=17&queue=mail").content.decode()
    assert '<span class="muted">Dispatched by job</span> 17' in html
    assert '<input type="hidden" name="parent" value="17">' in html
    assert 'href="?queue=mail" title="Remove from the filter"' in html


@pytest.mark.parametrize("parent", ["0", "9223372036854775807", "9999999999999999999"])
def test_a_parent_that_no_job_has_matches_nothing(parent: str, operator: Client) -> None:
    make_job()
    assert operator.get(f"/?parent={parent}").context["page"].rows == []
    assert "jobs" not in operator.get(f"/api/jobs/?parent={2**63}").json()


def test_a_parent_goes_together_with_a_tag_and_a_status(operator: Client) -> None:
    wanted = make_job(JobStatus.FAILED, parent_id=17, tags=["vip"])
    make_job(JobStatus.FAILED, parent_id=18, tags=["vip"])
    make_job(parent_id=17, tags=["vip"])
    make_job(JobStatus.FAILED, parent_id=17)
    found = operator.get("/?parent=17&tag=vip&status=failed").context["page"].rows
    assert [job.pk for job in found] == [wanted.pk]
    asked = operator.get("/jobs/retry/?all=1&filter=%3Fparent%3D17%26status%3Dfailed")
    assert "<dt>Dispatched by job</dt><dd>#17</dd>" in asked.content.decode()
    assert asked.context["forecast"].estimate.jobs == 2


@pytest.mark.parametrize("name", ["run_again", "run_copy"])
def test_what_the_dashboard_dispatches_tells_its_user_and_its_page(name: str, db: None) -> None:
    user, client = make_user(*ALL, username="ana"), Client()
    client.force_login(user)
    old = Returns(value=1).dispatch()
    client.post(reverse(f"jobs:{name}", args=[old.pk]), {"argument-value": "1"})
    new = Job.objects.latest("pk")
    address = reverse(f"jobs:{name}", args=[old.pk])
    assert new.origin == {"request": f"POST {address}", "user": "ana", "user_id": str(user.pk)}
    told = story(page(client, new))[0]
    assert told.startswith(
        f"Dispatched by ana, as a copy of #{old.pk} in the request POST {address}"
    )


def test_a_command_that_the_audit_knows_too_is_said_once(operator: Client) -> None:
    job = make_job(origin={"command": "dispatch"})
    make_audit(job, "dispatch", actor_name="", detail="manage.py dispatch")
    assert story(page(operator, job))[0].count("manage.py dispatch") == 1


def test_exports_the_api_and_the_admin_tell_it(operator: Client) -> None:
    origin = {"code": CODE, "user": "ana"}
    job = make_job(parent_id=17, origin=origin)
    assert objects(operator)[0]["origin"] == origin
    assert table(operator)[0][0]["parent_id"] == "17"
    told = operator.get(f"/api/jobs/{job.pk}/").json()["job"]
    assert (told["origin"], told["parent_id"]) == (origin, 17)
    client = Client()
    client.force_login(make_user("view_job", is_staff=True))
    assert CODE in client.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
