"""Odd requests to every address: fault 48 of the catalogue, of which `make fuzz` sends 20,000."""

from __future__ import annotations

import pytest

from jobs.models import Queue
from jobs.web import history, listing

from .fuzzing.addresses import addresses
from .fuzzing.running import Fuzz, Result

SEED = 48
REQUESTS = 1500


@pytest.fixture
def result(db: None) -> Result:
    return Fuzz(SEED).run(REQUESTS)


@pytest.mark.timeout(300)
def test_no_request_breaks_a_page_or_changes_what_it_may_not(result: Result) -> None:
    assert [finding.told(SEED) for finding in result.findings] == []
    assert result.statuses.total() == REQUESTS
    # No address was left out, and none of ours refused even what it is there for.
    assert {one.route for one in addresses()} - result.reached == set()
    ours = {one.route for one in addresses() if one.is_ours}
    assert ours - result.opened <= NEVER_OPENED


NEVER_OPENED = {"api/<path:rest>"}
"""It is there to say that there is nothing."""


def test_a_page_that_breaks_and_one_that_writes_when_read_are_found(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writes(*_: object) -> dict[str, object]:
        Queue.objects.create(name="written")
        return {}

    monkeypatch.setattr(listing, "names_for", lambda *_: 1 // 0)
    monkeypatch.setattr(history, "links", writes)
    found = Fuzz(SEED).run(2 * len(addresses())).findings
    broken = {finding.why for finding in found if finding.request.path.startswith("/?")}
    wrote = {finding.why for finding in found if finding.request.path.startswith("/audit/")}
    assert broken == {"answered 500"}
    assert [why.partition(" INTO")[0] for why in wrote] == ["answered 200 and wrote: INSERT"]
