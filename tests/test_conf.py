"""Settings: where they come from, how text is read, and what a bad one says."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.conf import PREFIX, TYPES, BadSetting, Settings, conf, read


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none but those of each test: the environment may have been set for all tests."""
    for name in TYPES:
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)


def test_a_setting_has_its_default():
    assert conf.MAX_ATTEMPTS == 3


def test_the_environment_stands_before_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKGROUND_JOB_MAX_ATTEMPTS", "5")
    assert conf.MAX_ATTEMPTS == 5


def test_a_django_setting_stands_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, settings: Any
):
    monkeypatch.setenv("BACKGROUND_JOB_MAX_ATTEMPTS", "5")
    settings.BACKGROUND_JOB_MAX_ATTEMPTS = 7
    assert conf.MAX_ATTEMPTS == 7


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BACKGROUND_JOB_MAX_ATTEMPTS", " ")
    assert conf.MAX_ATTEMPTS == 3


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("RETRY_DELAY", "60", 60.0),
        ("RETRY_DELAY", "0.5", 0.5),
        ("RETRY_DELAY", "10,60,300", [10.0, 60.0, 300.0]),
        ("RETRY_DELAY", "10, 60", [10.0, 60.0]),
        ("TIMEOUT", "120", 120.0),
        ("MEMORY_LIMIT", "1048576", 1_048_576),
        ("ISOLATION", "fresh", "fresh"),
        ("LISTEN", "off", False),
        ("LISTEN", "No", False),
        ("LISTEN", "0", False),
        ("LISTEN", "yes", True),
        ("LISTEN", "True", True),
    ],
)
def test_text_is_read_as_the_type_of_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any
):
    monkeypatch.setenv(f"BACKGROUND_JOB_{name}", text)
    assert read(name) == value


@pytest.mark.parametrize("value", [15, [10, 60], (10, 60)])
def test_a_retry_delay_may_be_given_in_python(settings: Any, value: Any):
    settings.BACKGROUND_JOB_RETRY_DELAY = value
    expected = list(value) if isinstance(value, tuple) else value
    assert read("RETRY_DELAY") == expected


@pytest.mark.parametrize(
    ("name", "text", "accepts"),
    [
        ("MAX_ATTEMPTS", "0", "expected int >= 1"),
        ("MAX_ATTEMPTS", "many", "expected int"),
        ("MAX_ATTEMPTS", "3.5", "expected int"),
        ("MAX_ATTEMPTS", "3,5", "expected int"),
        ("RETRY_DELAY", "-1", "expected float >= 0.0"),
        ("RETRY_DELAY", "10,soon", "expected float"),
        ("RETRY_DELAY", "nan", "expected float >= 0.0"),
        ("TIMEOUT", "0", "expected float > 0.0"),
        ("ISOLATION", "cold", "expected one of 'warm', 'fresh'"),
        ("LOG_LEVEL", "LOUD", "expected one of 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'"),
        ("LISTEN", "perhaps", "expected bool"),
    ],
)
def test_a_bad_setting_names_the_variable_its_value_and_what_it_accepts(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, accepts: str
):
    monkeypatch.setenv(f"BACKGROUND_JOB_{name}", text)
    with pytest.raises(BadSetting) as raised:
        read(name)
    assert str(raised.value).startswith(f"BACKGROUND_JOB_{name} is {text!r}: {accepts}")


@pytest.mark.parametrize("value", [[], True, "x"])
def test_a_bad_value_in_python_is_refused(settings: Any, value: Any):
    settings.BACKGROUND_JOB_RETRY_DELAY = value
    with pytest.raises(BadSetting, match=r"^BACKGROUND_JOB_RETRY_DELAY is "):
        read("RETRY_DELAY")


@pytest.mark.parametrize("name", TYPES)
def test_every_default_is_one_of_its_accepted_values(monkeypatch: pytest.MonkeyPatch, name: str):
    default = getattr(Settings, name)
    if default is not None:
        monkeypatch.setenv(f"BACKGROUND_JOB_{name}", str(default))
    assert read(name) == default


def test_an_unknown_setting_is_an_attribute_error():
    with pytest.raises(AttributeError):
        _ = conf.NO_SUCH_SETTING  # type: ignore[attr-defined]
