"""When a worker's periodic work comes round again."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobs.conf import conf
from jobs.worker.duties import JITTER, Duties


def test_what_is_due_once_in_a_poll_interval_wakes_an_idle_worker_once_in_it() -> None:
    duties = Duties(cast(Any, SimpleNamespace(registered=True)))
    duties.work = {name: lambda engine, now: conf.POLL_INTERVAL for name in ("poll", "names")}
    duties.due_at = {"poll": 100.0, "names": 100.4}
    engine = cast(Any, None)
    duties.run(engine, 100.0)
    duties.run(engine, 100.4)
    assert duties.due_at["poll"] == duties.due_at["names"]
    assert abs(duties.next_at() - 100.0 - conf.POLL_INTERVAL) <= conf.POLL_INTERVAL * JITTER


@pytest.mark.parametrize("look_again", [0.05, 0.0])
def test_who_was_told_of_jobs_looks_once_more_where_not_all_are_told(look_again: float) -> None:
    ledger = SimpleNamespace(
        appetite=SimpleNamespace(may_be_due=False), line=SimpleNamespace(look_again=look_again)
    )
    duties = Duties(cast(Any, ledger))
    duties.due_at["poll"] = time.monotonic() + 600
    duties.look()
    assert ledger.appetite.may_be_due
    assert (duties.due_at["poll"] < time.monotonic() + 10) == bool(look_again)
