"""A worker that has nothing left to do leaves, whenever its next duty is."""

from __future__ import annotations

import pytest

from jobs.worker.events import Close, Plan
from jobs.worker.ledger import Ledger
from jobs.worker.quickness import Quickness
from jobs.worker.start import identity


def test_a_ledger_told_to_close_with_nothing_to_write_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = Ledger(Plan(identity((), 1)), Quickness())
    ledger.line.retry_at = float("inf")  # No database is asked.
    waited = []
    monkeypatch.setattr(ledger.bell, "wait", lambda *given: waited.append(given))
    ledger.post(Close())
    ledger.run()
    assert waited == []
