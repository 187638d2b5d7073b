"""Running a job once more: later, again as it was, or as a new one with other arguments."""

from __future__ import annotations

import re
from dataclasses import field
from datetime import date, timedelta
from enum import Enum
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs import BackgroundJob
from jobs.models import AuditEntry, Job
from jobs.states import JobStatus
from tests.factories import make_job, make_worker


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Edited(BackgroundJob):
    """Has an argument of each kind that a form shows in its own way."""

    number: int
    text: str = ""
    note: str | None = None
    flag: bool = False
    colour: Colour = Colour.RED
    day: date | None = None
    rows: list[int] = field(default_factory=list)
    token: str = ""
    anything: Any = None

    def handle(self) -> None: ...


STORED = {
    "number": 2**62 + 1,
    "text": "<b>first\nsecond",
    "note": None,
    "flag": True,
    "colour": "blue",
    "day": "2026-03-01",
    "rows": [1, 2],
    "token": "hush, hush",
    "anything": "7",
}


@pytest.fixture
def old(db) -> Job:
    return make_job(JobStatus.FAILED, job_class=Edited.job_name, arguments=STORED, priority=5)


def form_of(client, job: Job) -> str:
    return str(client.get(reverse("jobs:edit", args=[job.pk])).content.decode())


def typed(**changes: str) -> dict[str, str]:
    """Return what a browser sends for the form of STORED, with changes."""
    values = {
        "number": str(2**62 + 1),
        "text": "<b>first\r\nsecond",
        "note": "",
        "flag": "true",
        "colour": "blue",
        "day": "2026-03-01",
        "rows": "[\r\n  1,\r\n  2\r\n]",
        "token": "",
        "anything": '"7"',
    }
    fields = {f"argument-{name}": value for name, value in (values | changes).items()}
    return fields | {"none-note": "on", "queue": "default", "priority": "5"}


def run(client, job: Job, data: dict[str, str]):
    return client.post(reverse("jobs:run_copy", args=[job.pk]), data)


def copies(job: Job) -> list[Job]:
    return list(Job.objects.exclude(pk=job.pk).order_by("pk"))


def test_the_form_has_each_argument_as_it_is_stored_but_for_secrets(old, operator) -> None:
    html = form_of(operator, old)
    for part in (
        f'name="argument-number" value="{2**62 + 1}"',
        "\n&lt;b&gt;first\nsecond</textarea>",
        "<option selected>true</option>",
        "<option selected>blue</option>",
        'name="argument-day" value="2026-03-01"',
        'name="none-note" checked',
        'value="&quot;7&quot;"',
        "secret: left empty, it stays as it is",
    ):
        assert part in html
    assert "hush, hush" not in html


@pytest.mark.parametrize("name", ["text", "anything", "colour", "day"])
def test_hostile_arguments_stay_text_in_the_form(name, operator) -> None:
    payload = '"></textarea></option><script>alert(1)</script>'
    for value in (payload, f"{payload}\n"):
        job = make_job(job_class=Edited.job_name, arguments={"number": 1, name: value})
        assert "<script>alert" not in form_of(operator, job)


def test_a_form_sent_as_it_is_gives_the_same_arguments(old, operator) -> None:
    make_worker()
    answer = run(operator, old, typed())
    (new,) = copies(old)
    assert answer["Location"] == new.get_absolute_url()
    assert new.arguments == STORED
    assert (new.job_class, new.queue, new.priority) == (Edited.job_name, "default", 5)
    assert "was dispatched" in operator.get(answer["Location"]).content.decode()


def test_what_is_changed_is_changed_and_the_old_job_stays_as_it_is(old, operator) -> None:
    changes = {"number": "8", "note": "x", "flag": "false", "colour": "red", "rows": "[3]"}
    data = typed(**changes, day="", token="new")
    del data["none-note"]
    data |= {"none-day": "on", "queue": "mail", "priority": "-3"}
    run(operator, old, data)
    (new,) = copies(old)
    assert new.arguments == STORED | {
        "number": 8,
        "note": "x",
        "flag": False,
        "colour": "red",
        "rows": [3],
        "day": None,
        "token": "new",
    }
    assert (new.queue, new.priority) == ("mail", -3)
    old.refresh_from_db()
    assert (old.status, old.arguments) == (JobStatus.FAILED, STORED)


def test_the_two_are_linked_both_ways(old, operator) -> None:
    run(operator, old, typed())
    (new,) = copies(old)
    entries = AuditEntry.objects.values_list("job_id", "action", "other_job_id", "actor_name")
    assert set(entries) == {
        (new.pk, "dispatch", old.pk, "user0"),
        (old.pk, "copy", new.pk, "user0"),
    }
    link = 'href="{}">#{}</a>'
    assert (
        link.format(old.get_absolute_url(), old.pk)
        in operator.get(new.get_absolute_url()).content.decode()
    )
    assert (
        link.format(new.get_absolute_url(), new.pk)
        in operator.get(old.get_absolute_url()).content.decode()
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"argument-number": "seven"}, "number: expected int"),
        ({"argument-rows": "[1,"}, "rows: expected"),
        ({"argument-colour": "green"}, "colour: expected Colour"),
        ({"priority": "high"}, "the priority is a whole number from -100 to 100"),
        ({"priority": "101"}, "priority"),
        ({"run_at": "soon"}, "is not a time such as"),
        ({"argument-text": "a\0b"}, "text:"),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_is_kept(
    changes, sentence, old, operator
) -> None:
    html = run(operator, old, typed(text="typed before") | changes).content.decode()
    assert sentence in html
    assert 'role="alert"' in html
    if "argument-text" not in changes:
        assert "typed before" in html
    assert copies(old) == []
    assert not AuditEntry.objects.exists()


def test_a_new_job_can_be_due_later(old, operator) -> None:
    later = timezone.localtime() + timedelta(hours=3)
    run(operator, old, typed() | {"run_at": later.strftime("%Y-%m-%dT%H:%M")})
    (new,) = copies(old)
    assert new.status == JobStatus.SCHEDULED
    assert new.run_at == later.replace(second=0, microsecond=0)


def test_an_argument_the_class_no_longer_has_is_left_out_and_named(operator) -> None:
    job = make_job(job_class=Edited.job_name, arguments={"number": 1, "gone": 2})
    assert "so it is left out: gone" in form_of(operator, job)
    run(operator, job, {"argument-number": "1"})
    (new,) = copies(job)
    assert "gone" not in new.arguments


def test_a_class_nobody_registered_cannot_be_run(operator) -> None:
    job = make_job(JobStatus.FAILED, job_class="shop.Gone")
    assert "no job class named shop.Gone" in form_of(operator, job)
    assert "no job class named shop.Gone" in run(operator, job, {}).content.decode()
    answer = operator.post(reverse("jobs:run_again", args=[job.pk]))
    html = operator.get(answer["Location"]).content.decode()
    assert "no class of this name is registered here" in html
    assert copies(job) == []


def test_running_again_makes_a_new_job_with_the_same_arguments(old, operator) -> None:
    answer = operator.post(reverse("jobs:run_again", args=[old.pk]))
    (new,) = copies(old)
    assert answer["Location"] == new.get_absolute_url()
    assert (new.arguments, new.priority, new.status) == (STORED, 5, JobStatus.QUEUED)
    html = operator.get(answer["Location"]).content.decode()
    assert "no running worker serves the queue default" in html


def test_arguments_that_no_longer_fit_are_not_shown_to_who_may_not_see_them(visitor) -> None:
    job = make_job(JobStatus.FAILED, job_class=Edited.job_name, arguments={"number": "ARGUMENT"})
    client = visitor("view_job", "dispatch_job")
    answer = client.post(reverse("jobs:run_again", args=[job.pk]))
    html = client.get(answer["Location"]).content.decode()
    assert "cannot be run again: InvalidArguments" in html
    assert "ARGUMENT" not in html


def test_a_retry_can_wait_for_its_time(old, operator) -> None:
    later = timezone.localtime() + timedelta(hours=1)
    operator.post(reverse("jobs:retry_at", args=[old.pk]), {"at": later.strftime("%Y-%m-%dT%H:%M")})
    old.refresh_from_db()
    assert old.status == JobStatus.SCHEDULED
    assert old.run_at == later.replace(second=0, microsecond=0)
    assert "will be queued again at" in operator.get(old.get_absolute_url()).content.decode()


@pytest.mark.parametrize("at", ["", "2020-01-01T00:00", "never"])
def test_a_retry_at_no_time_to_come_is_refused(at, old, operator) -> None:
    operator.post(reverse("jobs:retry_at", args=[old.pk]), {"at": at})
    old.refresh_from_db()
    assert old.status == JobStatus.FAILED


def test_a_job_that_cannot_be_retried_cannot_be_retried_later(operator) -> None:
    job = make_job(JobStatus.COMPLETED)
    operator.post(reverse("jobs:retry_at", args=[job.pk]), {"at": "2999-01-01T00:00"})
    assert "cannot be retried" in operator.get(job.get_absolute_url()).content.decode()


def test_the_command_that_dispatches_one_like_it_is_there_to_copy(old, operator, visitor) -> None:
    page = operator.get(old.get_absolute_url()).content.decode()
    html = re.sub("</?span>", "", page)
    assert f"python manage.py dispatch {Edited.job_name}" in html
    assert f"number={2**62 + 1}" in html
    assert "note=null" not in html
    assert "hush, hush" not in html
    html = visitor("view_job").get(old.get_absolute_url()).content.decode()
    assert "manage.py dispatch" not in html


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"argument-number": "seven"}, "Argument number: erwartet wird int, angegeben ist"),
        ({"priority": "101"}, "Die Priorität ist 101: erlaubt ist"),
        ({"queue": "a,b"}, "Die Warteschlange ist"),
        ({"tags": "a\tb"}, "Ein Schlagwort ist"),
        ({"argument-text": "x" * 70_000}, "Die Argumente sind"),
    ],
)
def test_what_does_not_fit_is_said_in_the_language_of_the_visitor(
    changes, sentence, old, operator
) -> None:
    address = reverse("jobs:run_copy", args=[old.pk])
    answer = operator.post(address, typed() | changes, headers={"accept-language": "de"})
    assert sentence in answer.content.decode()
    assert "expected" not in answer.content.decode()
