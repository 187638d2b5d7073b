from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings as project
from django.test import Client
from django.urls import reverse

from jobs.states import JobStatus
from tests.factories import make_attempt, make_job, make_user

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

pytestmark = pytest.mark.once
TEMPLATES = sorted((Path(project.BASE_DIR) / "templates" / "jobs").rglob("*.html"))
STATIC = Path(project.BASE_DIR) / "static" / "jobs"

FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an inline style": r"<style|\sstyle\s*=",
    "an event handler": r"\son[a-z]+\s*=",
    "a javascript: address": r"javascript:",
    "text taken as markup": r"\|\s*safe\b|autoescape|mark_safe",
    "another site": r"(?:src|href)=[\"'](?:https?:)?//",
}


def pages() -> list[str]:
    job = make_job(JobStatus.FAILED)
    attempt = make_attempt(job, "failed")
    paths = [
        "/",
        "/counts/",
        "/jobs/retry/?all=1",
        "/operations/",
        "/audit/",
        "/view/logs",
        "/queues/",
        "/workers/",
        f"{job.get_absolute_url()}edit/",
        "/login/",
        "/jobs/404/",
        job.get_absolute_url(),
    ]
    return [*paths, attempt.get_absolute_url(), attempt.get_absolute_url() + "output/"]


def test_every_answer_carries_our_headers(operator, db) -> None:
    anonymous, stranger = Client(), Client()
    stranger.force_login(make_user())
    answers = [client.get(path) for client in (operator, anonymous, stranger) for path in pages()]
    answers.append(operator.post(reverse("jobs:retry", args=[1])))
    answers.append(operator.delete("/"))
    answers.append(operator.post("/logout/"))
    for answer in answers:
        assert answer["Content-Security-Policy"] == POLICY
        assert answer["Cache-Control"] == "no-store" or answer.status_code == 302
        assert "no-store" in answer["Cache-Control"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"


def test_other_pages_of_the_project_keep_their_own_policy(admin_client) -> None:
    assert "Content-Security-Policy" not in admin_client.get("/admin/")


def test_static_files_on_another_host_are_allowed_from_there(operator, settings) -> None:
    settings.STATIC_URL = "https://cdn.example.org/static/"
    policy = operator.get("/")["Content-Security-Policy"]
    assert "script-src 'self' https://cdn.example.org;" in policy
    assert "connect-src 'self';" in policy


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_holds(what) -> None:
    found = [path.name for path in TEMPLATES if re.search(FORBIDDEN[what], path.read_text(), re.I)]
    assert found == []


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) > 20


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("jobs.css", 20),
        ("jobs.js", 10),
        ("list.css", 6),
        ("live.css", 3),
        ("log.css", 8),
        ("keys.js", 4),
        ("log.js", 5),
        ("list.js", 3),
        ("icon.svg", 2),
    ],
)
def test_static_files_stay_small(name, limit) -> None:
    assert (STATIC / name).stat().st_size <= limit * 1024


def test_the_style_asks_for_nothing_from_elsewhere() -> None:
    assert not re.search(r"url\(|@import|@font-face", (STATIC / "jobs.css").read_text())


def test_the_script_runs_no_text_as_code() -> None:
    script = (STATIC / "jobs.js").read_text()
    assert not re.search(r"\beval\b|new Function|insertAdjacentHTML|document\.write", script)
    assert not re.search(r"innerHTML\s*=[^=]", script)


def test_pages_of_long_files_are_short() -> None:
    for template in TEMPLATES:
        assert len(template.read_text().splitlines()) <= 40, template.name
