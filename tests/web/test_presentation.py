from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.web.presentation import age, duration

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((-5, "0.0 s"), (0.44, "0.4 s"), (9.96, "10.0 s"), (59.9, "59 s"), (60, "1 min 0 s")),
        *((3599, "59 min 59 s"), (3600, "1 h 0 min"), (93_600, "1 d 2 h")),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, text) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_no_duration_is_no_text() -> None:
    assert duration(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((5, "just now"), (-5, "in under a minute"), (90, "1 min ago"), (-90, "in 1 min")),
        *((7200, "2 h ago"), (2 * 86_400, "2 days ago"), (-9 * 86_400, "in 9 days")),
    ],
)
def test_an_age_is_coarse(seconds, text) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == text
