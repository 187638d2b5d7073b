from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from jobs.web.presentation import age, duration, grouped, size

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0 ms"), (0.0001, "1 ms"), (0.44, "440 ms"), (1.44, "1.4 s"), (9.96, "10.0 s")),
        *((59.9, "59 s"), (60, "1 min 0 s")),
        *((3599, "59 min 59 s"), (3600, "1 h 0 min"), (93_600, "1 d 2 h")),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, text) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_numbers_are_written_as_the_language_does() -> None:
    with translation.override("de"):
        assert grouped(4_700_000) == "4.700.000"
        assert duration(timedelta(seconds=1.44)) == "1,4 s"
        assert size(1536) == "1,5\N{NO-BREAK SPACE}KiB"
    assert grouped(4_700_000) == "4,700,000"


def test_nothing_is_no_text() -> None:
    assert duration(None) == ""
    assert size(None) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB")),
        *((1024**2 - 1, "1.0 MiB"), (int(3.9 * 1024**3), "3.9 GiB"), (2**62, "4194304.0 TiB")),
    ],
)
def test_a_size_is_told_in_the_units_of_memory(count, text) -> None:
    assert size(count).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((5, "just now"), (-5, "in under a minute"), (90, "1 min ago"), (-90, "in 1 min")),
        *((7200, "2 h ago"), (2 * 86_400, "2 days ago"), (-9 * 86_400, "in 9 days")),
    ],
)
def test_an_age_is_coarse(seconds, text) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == text
