"""`manage.py dispatch`: text becomes typed arguments, and every bad input is one sentence."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from jobs import BackgroundJob, registry
from jobs.management.commands.dispatch import Command
from jobs.models import Job

from . import argument_jobs

pytestmark = pytest.mark.usefixtures("own_classes", "db")


def dispatch(*words: str, **options: Any) -> Job:
    """Run the command and return the job whose id it prints."""
    out = StringIO()
    call_command("dispatch", *words, stdout=out, **options)
    return Job.objects.get(pk=int(out.getvalue()))


def refusal(*words: str) -> str:
    """Run the command and return its error; nothing is stored."""
    with pytest.raises(CommandError) as raised:
        call_command("dispatch", *words, stdout=StringIO())
    assert not Job.objects.exists()
    return str(raised.value)


def test_a_job_is_dispatched_by_its_name():
    assert dispatch("tests.PlainJob", "number=7").job_class == "tests.PlainJob"


def test_a_job_is_dispatched_without_its_app():
    assert dispatch("PlainJob", "number=7").job_class == "tests.PlainJob"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("number=-7", "number", -7),
        ("text=7", "text", "7"),
        ("text=", "text", ""),
        ("text=a=b", "text", "a=b"),
        ('text="a"', "text", '"a"'),
        ("text=null", "text", "null"),
        ("ratio=7", "ratio", 7.0),
        ("flag=yes", "flag", True),
        ("flag=True", "flag", True),
        ("flag=off", "flag", False),
        ("flag=0", "flag", False),
        ("items=[1, 2]", "items", [1, 2]),
        ('totals={"a": 1}', "totals", {"a": 1}),
        ("anything=7", "anything", 7),
        ("anything=word", "anything", "word"),
        ('anything={"a": [null]}', "anything", {"a": [None]}),
    ],
)
def test_text_is_read_as_the_type_of_its_argument(text: str, name: str, value: Any):
    found = dispatch("PlainJob", *({"number=1"} - {f"{name}=1"} if name != "number" else ()), text)
    assert found.arguments[name] == value
    assert type(found.arguments[name]) is type(value)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("day=2024-02-29", "day", "2024-02-29"),
        ("price=1.10", "price", "1.10"),
        ("color=blue", "color", "blue"),
        ("level=2", "level", 2),
        ("day=null", "day", None),
        ('pair=[1, "a"]', "pair", [1, "a"]),
        ("ids=[2, 1]", "ids", [1, 2]),
        ("either=7", "either", "7"),
        ("either=seven", "either", "seven"),
        (
            'parcel={"to": {"city": "Oslo"}}',
            "parcel",
            {"to": {"city": "Oslo", "zip": None, "tags": []}, "sent": None, "owner": None},
        ),
    ],
)
def test_types_that_json_has_not_are_read_from_text(text: str, name: str, value: Any):
    assert dispatch("RichJob", text).arguments[name] == value


def test_a_model_instance_is_named_by_its_primary_key():
    user = User.objects.create(username="ada")
    group = Group.objects.create(name="a")
    job = dispatch("ModelJob", f"user={user.pk}", f"groups=[{group.pk}]")
    assert job.arguments["user"] == {"model": "auth.user", "pk": user.pk}
    assert job.arguments["groups"] == [{"model": "auth.group", "pk": group.pk}]


def test_options_are_those_of_a_dispatch():
    job = dispatch("PlainJob", "number=1", "--delay=60", "--queue=slow", "--priority=-5")
    assert (job.queue, job.priority) == ("slow", -5)
    assert job.run_at - job.created_at == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["PlanJob"], "no job class is registered as 'PlanJob'; did you mean 'tests.PlainJob'?"),
        (["PlainJob", "7"], "'7' is no argument: write name=value"),
        (["PlainJob", "=7"], "'=7' is no argument: write name=value"),
        (["PlainJob", "number=1", "number=2"], "the argument 'number' is given twice"),
        (["PlainJob"], "tests.PlainJob needs the argument 'number'"),
        (["PlainJob", "numbr=1"], "tests.PlainJob has no argument 'numbr'; did you mean 'number'?"),
        (["PlainJob", "number=x"], "tests.PlainJob: number: expected int, got 'x' (str)"),
        (["PlainJob", "number=1.5"], "tests.PlainJob: number: expected int, got '1.5' (str)"),
        (
            ["PlainJob", "number=1", "flag=maybe"],
            "tests.PlainJob: flag: expected bool, got 'maybe'",
        ),
        (
            ["PlainJob", "number=1", "items=1"],
            "tests.PlainJob: items: expected list, got '1' (str)",
        ),
        (
            ["PlainJob", "number=1", 'items=["a"]'],
            "tests.PlainJob: items[0]: expected int, got 'a'",
        ),
        (["PlainJob", "number=1", "items=[1"], "tests.PlainJob: items: expected list, got '[1'"),
        (["RichJob", "color=green"], "tests.RichJob: color: expected Color | None, got 'green'"),
        (["RichJob", "day=soon"], "tests.RichJob: day: expected date | None, got 'soon' (str)"),
        (
            ["RichJob", 'parcel={"to": {"city": "a", "road": 1}}'],
            "tests.RichJob: parcel.to.road: unknown key",
        ),
        (["ModelJob", "user=7000"], "tests.ModelJob: user: User 7000 no longer exists"),
        (["ModelJob", "user=ada"], "tests.ModelJob: user: 'ada' is no primary key of User"),
        (["PlainJob", "number=1", "--delay=-1"], "tests.PlainJob: delay is -1.0: expected 0 to"),
        (["PlainJob", "number=1", "--delay=x"], "Error: argument --delay: invalid float value"),
        (["PlainJob", "number=1", "--priority=101"], "tests.PlainJob: priority is 101: expected"),
        (["PlainJob", "number=1", "--queue="], "tests.PlainJob: queue is '': expected str of"),
        (
            ["PlainJob", f"number={2**64}"],
            "tests.PlainJob: number: an integer of more than 64 bits",
        ),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str):
    found = refusal(*words)
    assert found.startswith(sentence)
    assert "\n" not in found


def test_it_is_recorded_where_the_job_comes_from():
    entry = dispatch("tests.PlainJob", "number=7").audit.get()
    assert (entry.action, entry.detail) == ("dispatch", "manage.py dispatch")


def test_a_bad_setting_is_one_sentence(settings: Any):
    settings.BACKGROUND_JOB_MAX_ATTEMPTS = 0
    assert refusal("PlainJob", "number=1") == "BACKGROUND_JOB_MAX_ATTEMPTS is 0: expected int >= 1"


def test_a_broken_module_of_another_app_stops_no_dispatch():
    registry.import_errors["shop.jobs"] = "ImportError: no paper"
    command = Command(stdout=StringIO())
    words = command.create_parser("manage.py", "dispatch").parse_args(["PlainJob", "number=7"])
    command.execute(**vars(words))
    assert Job.objects.exists()


def test_a_name_that_two_apps_have_is_refused_with_both():
    body = {"__module__": "django.contrib.auth.jobs", "handle": lambda self: None}
    type("PlainJob", (BackgroundJob,), body)
    assert refusal("PlainJob") == (
        "'PlainJob' may be any of auth.PlainJob, tests.PlainJob: name one in full"
    )
    assert argument_jobs.PlainJob.job_name == "tests.PlainJob"
