"""Outcomes gather before they are written, for as long as few come and no longer."""

from __future__ import annotations

import pytest

from jobs.worker.lingering import ENOUGH, PAUSE, PAUSES, linger


@pytest.mark.parametrize(("each_pause", "pauses"), [(ENOUGH, 1), (ENOUGH // 2, 2), (1, PAUSES)])
def test_a_transaction_waits_until_it_is_worth_its_while(each_pause, pauses, monkeypatch) -> None:
    inbox: list[int] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        inbox.extend([1] * each_pause)

    monkeypatch.setattr("time.sleep", sleep)
    linger(inbox)
    assert slept == [PAUSE] * pauses
