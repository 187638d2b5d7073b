"""What the launcher owes to the supervisor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.worker.launching import LauncherLink, start_launcher
from jobs.worker.protocol import Kill, Killed

NOBODY = 0x7FFFFFF0
"""No process has this id: Linux stops at 4 Mi."""


@pytest.fixture
def launcher() -> Iterator[LauncherLink]:
    link = start_launcher()
    yield link
    link.close()


def test_an_order_to_kill_is_answered_also_where_the_process_is_gone_already(
    launcher: LauncherLink,
) -> None:
    launcher.order(Kill(NOBODY))
    assert launcher.channel.receive(wait=True) == [Killed(NOBODY, [], [])]
