from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_user

from .conftest import ALL


@pytest.fixture
def ana(db: None):
    return make_user(*ALL, username="ana", password="correct horse")


def log_in(client: Client, path: str = "/login/", **data: str):
    return client.post(path, {"username": "ana", "password": "correct horse"} | data)


def test_the_login_leads_to_the_page_that_was_asked_for(ana) -> None:
    client = Client()
    asked = "/view/logs?tab=errors&class=shop.A"
    address = client.get(asked)["Location"]
    assert log_in(client, address, next=asked)["Location"] == asked
    assert client.get(asked).status_code == 200


def test_the_login_leads_to_the_list(ana) -> None:
    assert log_in(Client())["Location"] == reverse("jobs:list")


def test_the_login_leads_to_no_other_site(ana) -> None:
    assert log_in(Client(), next="https://evil.example/")["Location"] == reverse("jobs:list")


def test_a_wrong_password_says_so(ana) -> None:
    answer = log_in(Client(), password="wrong")
    assert answer.status_code == 200
    assert "Please enter a correct username and password" in answer.content.decode()


def test_the_login_needs_its_token(ana) -> None:
    assert log_in(Client(enforce_csrf_checks=True)).status_code == 403


def test_somebody_logged_in_is_not_asked_again(ana) -> None:
    client = Client()
    client.force_login(ana)
    assert client.get("/login/")["Location"] == reverse("jobs:list")


def test_logging_out_takes_a_post(ana) -> None:
    client = Client()
    client.force_login(ana)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == reverse("jobs:login")
    assert client.get("/").status_code == 302


def test_a_project_with_its_own_login_page_keeps_it(settings, db) -> None:
    settings.LOGIN_URL = "/accounts/sso/"
    assert Client().get("/")["Location"] == "/accounts/sso/?next=/"


def test_a_project_without_one_gets_ours(settings, db) -> None:
    settings.LOGIN_URL = "/accounts/login/"
    assert Client().get("/")["Location"] == "/login/?next=/"


def test_the_login_opens_in_a_project_that_requires_login_everywhere(settings, db) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert Client().get("/login/").status_code == 200
    assert Client().get("/").status_code == 302
