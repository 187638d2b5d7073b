"""Filters that a user has given a name: saved, shown above the list, replaced and deleted."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from jobs.models import SavedView
from jobs.web.names import MOST_VIEWS
from jobs.web.saved_views import LONGEST_NAME
from tests.factories import make_user

from .conftest import ALL

FILTER = "?queue=mail&status=failed"


@pytest.fixture
def ana(db: None) -> Client:
    client = Client()
    client.force_login(make_user(*ALL, username="ana"))
    return client


def save(client: Client, name: str, filter: str = FILTER, **more: str) -> str:
    """Save a view, and return what is said of it."""
    answer = client.post(reverse("jobs:save_view"), {"name": name, "filter": filter, **more})
    assert answer.status_code == 302
    return str([*get_messages(answer.wsgi_request)][-1])


def links(client: Client, address: str = "/") -> list[tuple[str, str, bool]]:
    return [tuple(view) for view in client.get(address).context["views"]]


def test_a_filter_is_saved_under_a_name_and_linked_above_the_list(ana: Client) -> None:
    assert save(ana, "Lost mail") == "The view “Lost mail” is saved."
    assert links(ana) == [("Lost mail", FILTER, False)]
    page = ana.get("/").content.decode()
    assert f'<a href="{FILTER.replace("&", "&amp;")}"><svg' in page
    stored = SavedView.objects.get()
    assert (stored.owner_name, stored.query) == ("ana", FILTER)


def test_one_returns_to_where_the_filter_was(ana: Client) -> None:
    data = {"name": "x", "filter": FILTER, "next": "/?status=failed&before=9"}
    assert ana.post("/views/save/", data)["Location"] == data["next"]
    data["next"] = "https://evil.example/"
    assert ana.post("/views/save/", data)["Location"] == f"/{FILTER}"


def test_the_view_that_is_shown_is_marked_and_can_be_deleted(ana: Client) -> None:
    save(ana, "Lost mail")
    save(ana, "All mail", "?queue=mail")
    page = ana.get(f"/{FILTER}").content.decode()
    assert [view[2] for view in links(ana, f"/{FILTER}")] == [False, True]
    assert page.count("Delete this view</span>") == 1
    assert "Save this filter" not in page
    answer = ana.post("/views/delete/", {"view": "Lost mail", "next": f"/{FILTER}"})
    assert answer["Location"] == f"/{FILTER}"
    assert [view[0] for view in links(ana)] == ["All mail"]
    assert "Save this filter" in ana.get(f"/{FILTER}").content.decode()


def test_a_place_in_the_list_is_not_a_part_of_a_view(ana: Client) -> None:
    save(ana, "Lost mail", f"{FILTER}&before=17")
    assert links(ana, f"/{FILTER}&before=3") == [("Lost mail", FILTER, True)]


def test_what_no_filter_knows_is_not_kept(ana: Client) -> None:
    save(ana, "x", "?queue=mail&next=https://evil.example&status=nonsense")
    assert links(ana) == [("x", "?queue=mail", False)]


def test_saving_under_the_same_name_replaces_the_filter(ana: Client) -> None:
    save(ana, "Mine", "?queue=mail")
    save(ana, "Mine", "?queue=slow")
    assert links(ana) == [("Mine", "?queue=slow", False)]


@pytest.mark.parametrize("name", ["", "   ", "x" * (LONGEST_NAME + 1), "a\u202eb"])
def test_an_impossible_name_is_refused(name: str, ana: Client) -> None:
    assert save(ana, name) == f"Give the view a name of up to {LONGEST_NAME} characters."
    assert not SavedView.objects.exists()


def test_a_list_without_a_filter_is_no_view(ana: Client) -> None:
    assert save(ana, "All", "?size=50") == "There is no filter to save."
    assert "Save this filter" not in ana.get("/").content.decode()


def test_a_user_has_so_many_views_and_no_more(ana: Client) -> None:
    for number in range(MOST_VIEWS):
        save(ana, f"view {number:02}")
    assert "that is the most" in save(ana, "one more")
    assert "is saved" in save(ana, "view 03", "?queue=slow")
    assert len(links(ana)) == MOST_VIEWS


def test_nobody_sees_or_deletes_the_views_of_another(ana: Client) -> None:
    other = Client()
    other.force_login(make_user("view_job"))
    save(ana, "Lost mail")
    assert links(other) == []
    other.post("/views/delete/", {"view": "Lost mail"})
    assert [view[0] for view in links(ana)] == ["Lost mail"]
    save(other, "Lost mail", "?queue=slow")
    assert links(ana) == [("Lost mail", FILTER, False)]


def test_a_view_that_is_not_there_is_said_to_be_missing(ana: Client) -> None:
    answer = ana.post("/views/delete/", {"view": "gone"})
    assert [str(one) for one in get_messages(answer.wsgi_request)] == [
        "You have no view of the name “gone”."
    ]


def test_a_name_is_text_and_never_markup(ana: Client) -> None:
    evil = '"><script>alert(1)</script>'
    save(ana, evil, f"?{urlencode({'q': evil})}")
    page = ana.get(f"/?{urlencode({'q': evil})}").content.decode()
    assert "<script>alert" not in page


def test_a_view_may_be_of_all_there_is_to_filter_by(ana: Client) -> None:
    everything = {"class": "shop.A", "queue": "mail", "status": "failed", "tag": "caf\u00e9"}
    everything |= {"parent": "17", "worker": "alpha", "error": "E", "since": "1h", "until": "15m"}
    everything |= {"argument": "a:\U0001f600" * 60, "q": "\U0001f600" * 200}
    save(ana, "All of it", f"?{urlencode(everything)}")
    ((_, query, _),) = links(ana)
    ((_, _, current),) = links(ana, f"/{query}")
    assert current
