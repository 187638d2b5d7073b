"""Every system check but those of databases: when it speaks, with which id, in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test.utils import override_settings

from jobs import BackgroundJob, registry


def messages(check_id: str, deploy: bool = False) -> list[CheckMessage]:
    found = run_checks(tags=["jobs"], include_deployment_checks=deploy)
    return [each for each in found if each.id == check_id]


def only_message(check_id: str, deploy: bool = False) -> str:
    [found] = messages(check_id, deploy)
    assert found.hint
    return found.msg


def test_the_reference_project_has_nothing_to_report():
    assert run_checks(tags=["jobs"]) == []


# -- settings --------------------------------------------------------------------------------------


def test_a_bad_setting_is_an_error_that_names_it_and_what_it_accepts(settings: Any):
    settings.BACKGROUND_JOB_MAX_ATTEMPTS = 0
    assert only_message("jobs.E001") == "BACKGROUND_JOB_MAX_ATTEMPTS is 0: expected int >= 1."


def test_every_bad_setting_is_an_error_of_its_own(settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.BACKGROUND_JOB_ISOLATION = "cold"
    monkeypatch.setenv("BACKGROUND_JOB_TIMEOUT", "soon")
    found = [each.msg for each in messages("jobs.E001")]
    assert found == [
        "BACKGROUND_JOB_TIMEOUT is 'soon': expected float | None.",
        "BACKGROUND_JOB_ISOLATION is 'cold': expected one of 'warm', 'fresh'.",
    ]


def test_a_lease_of_less_than_three_beats_is_an_error(settings: Any):
    settings.BACKGROUND_JOB_LEASE = 29
    assert only_message("jobs.E002").startswith(
        "BACKGROUND_JOB_LEASE is 29 s, less than three times BACKGROUND_JOB_BEAT (10 s)"
    )


def test_a_lease_of_three_beats_is_long_enough(settings: Any):
    settings.BACKGROUND_JOB_LEASE = 30
    assert messages("jobs.E002") == []


def test_a_lease_that_is_no_number_is_one_error(settings: Any):
    settings.BACKGROUND_JOB_LEASE = "soon"
    assert only_message("jobs.E001") == "BACKGROUND_JOB_LEASE is 'soon': expected float."
    assert messages("jobs.E002") == []


def test_a_token_without_a_user_is_an_error(settings: Any):
    settings.BACKGROUND_JOB_API_TOKEN = "a-token-that-nobody-guesses"
    assert only_message("jobs.E009") == (
        "BACKGROUND_JOB_API_TOKEN is set, but BACKGROUND_JOB_API_USER names nobody: it opens nothing."
    )
    settings.BACKGROUND_JOB_API_USER = "deploy-bot"
    assert messages("jobs.E009") == []


@pytest.mark.parametrize("name", ["API_TOKEN", "METRICS_TOKEN"])
@pytest.mark.parametrize(
    "token", ["short", "with spaces and more of them", "with,comma,and,more", 7]
)
def test_a_token_that_cannot_be_used_is_an_error_that_does_not_show_it(
    settings: Any, name: str, token: Any
):
    setattr(settings, f"BACKGROUND_JOB_{name}", token)
    message = only_message("jobs.E001")
    assert message.startswith(f"BACKGROUND_JOB_{name} is a text that cannot be used: expected ")
    assert str(token) not in message


def test_times_without_zones_are_an_error():
    with override_settings(USE_TZ=False):
        assert only_message("jobs.E005").startswith("USE_TZ is False")


# -- job classes -----------------------------------------------------------------------------------


def test_a_module_that_cannot_be_imported_is_an_error_with_its_exception(own_classes: None):
    registry.import_errors["shop.jobs"] = "ImportError: no paper"
    assert only_message("jobs.E003") == (
        "The jobs of shop.jobs are unknown, because it cannot be imported: ImportError: no paper."
    )


def test_an_unsupported_annotation_is_an_error_with_class_and_field(own_classes: None):
    class Opaque(BackgroundJob):
        number: int
        thing: object

        def handle(self) -> None: ...

    assert only_message("jobs.E004") == (
        "tests.Opaque: 'thing' is annotated as object: object cannot be made from JSON."
    )


def test_a_job_class_made_a_dataclass_is_an_error(own_classes: None):
    @dataclass
    class Decorated(BackgroundJob):
        number: int = 1

        def handle(self) -> None: ...

    expected = "tests.Decorated is decorated with @dataclass, which replaces its constructor."
    assert only_message("jobs.E006") == expected


@pytest.mark.parametrize(
    ("attribute", "option"),
    [
        ("max_attempt", "max_attempts"),
        ("time_out", "timeout"),
        ("Queue", "queue"),
        ("retry_delays", "retry_delay"),
        ("memory_limits", "memory_limit"),
        ("alias", "aliases"),
    ],
)
def test_an_attribute_like_an_option_is_a_warning(own_classes: None, attribute: str, option: str):
    body = {"__module__": __name__, "handle": lambda self: None, attribute: 5}
    type("Misspelt", (BackgroundJob,), body)
    expected = f"tests.Misspelt sets {attribute!r}, which is no option of a job class."
    assert only_message("jobs.W001") == expected
    assert messages("jobs.W001")[0].hint == f"Did you mean {option!r}?"


def test_an_attribute_like_an_option_is_seen_in_a_base(own_classes: None):
    class Misspelt(BackgroundJob):
        abstract = True
        time_out = 5

    type("Derived", (Misspelt,), {"__module__": __name__, "handle": lambda self: None})
    assert only_message("jobs.W001").startswith("tests.Derived sets 'time_out'")


def test_options_arguments_and_other_names_are_no_misspelt_options(own_classes: None):
    class Fine(BackgroundJob):
        timeout = 5
        timeouts: int = 1
        _queue = "x"
        address = "somewhere"

        def handle(self) -> None: ...

    assert messages("jobs.W001") == []


# -- the project -----------------------------------------------------------------------------------


def test_debug_is_a_warning_for_deployment():
    with override_settings(DEBUG=True):
        expected = "DEBUG is on: job processes keep every query in memory."
        assert only_message("jobs.W004", deploy=True) == expected
        assert messages("jobs.W004") == []


def test_another_runworker_before_ours_is_a_warning():
    with override_settings(INSTALLED_APPS=["tests.otherqueue", "jobs"]):
        assert only_message("jobs.W005") == (
            "`manage.py runworker` is that of tests.otherqueue, because it stands before jobs in "
            "INSTALLED_APPS."
        )


def test_another_runworker_after_ours_is_hidden_by_it():
    with override_settings(INSTALLED_APPS=["jobs", "tests.otherqueue"]):
        assert messages("jobs.W005") == []
