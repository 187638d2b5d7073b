"""The witness of the invariants: what it would see, it sees."""

from __future__ import annotations

import pytest
from django.db.models import F

from jobs.models import Attempt
from jobs.states import AttemptStatus

from ..factories import make_attempt, make_job
from . import witness

pytestmark = pytest.mark.usefixtures("watched")


def test_the_end_of_an_attempt_is_no_change_after_it() -> None:
    attempt = make_attempt(make_job("running"), AttemptStatus.RUNNING)
    Attempt.objects.update(status=AttemptStatus.COMPLETED, finished_at=attempt.claimed_at)
    Attempt.objects.update(output_bytes=7)
    assert witness.seen() == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": AttemptStatus.FAILED},
        {"status": AttemptStatus.RUNNING, "finished_at": None},
        {"finished_at": F("claimed_at")},
    ],
)
def test_another_end_of_an_attempt_is_seen(change: dict[str, object]) -> None:
    attempt = make_attempt(make_job("completed"), AttemptStatus.COMPLETED)
    Attempt.objects.update(**change)
    became = str(change.get("status", AttemptStatus.COMPLETED))
    assert witness.seen() == [(attempt.pk, "completed", became)]
