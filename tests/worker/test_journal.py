"""What the ledger has still to write, while the database refuses it in one way and another."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import OperationalError

from jobs.lifecycle import finishing
from jobs.lifecycle.engines import engine_for
from jobs.worker.events import Finished
from jobs.worker.journal import Journal
from tests.factories import make_worker
from tests.lifecycle.acting import claim_new, outcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def journal() -> Journal:
    """Three outcomes of running attempts."""
    found, worker = Journal(), make_worker()
    for _ in range(3):
        claimed = claim_new(worker)
        found.add(Finished(outcome(claimed)))
    return found


def test_an_outage_in_the_midst_of_contention_leaves_all_to_be_written(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, gone = engine_for(), OperationalError("the server has gone")
    monkeypatch.setattr(type(engine), "lost_against_another", lambda _, error: error is not gone)
    refusals = iter([held(), gone, held(), None, None])
    really = finishing.finish

    def finish(*given: object) -> object:
        if refusal := next(refusals):
            raise refusal
        return really(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(finishing, "finish", finish)
    with pytest.raises(OperationalError, match="gone"):
        journal.write_apart(engine, uuid4(), 0.0)
    assert len(journal.write_apart(engine, uuid4(), 0.0)) == 2
    (later,) = journal.forget_later()
    assert len(later.outcomes) == 1
    assert len(journal.outcomes) == 2


def held() -> OperationalError:
    return OperationalError("somebody else holds a row")
