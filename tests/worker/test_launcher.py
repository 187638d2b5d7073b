"""What the launcher owes to the supervisor."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from jobs.worker.launching import LauncherLink, start_launcher
from jobs.worker.processes import boottime
from jobs.worker.protocol import Alive, Kill, Killed, Lease

from .. import sample_jobs as sample
from ..faults.scale import pass_time
from ..waiting import wait_until
from .conftest import StartWorker, finished

NOBODY = 0x7FFFFFF0
"""No process has this id: Linux stops at 4 Mi."""


@pytest.mark.usefixtures("live_database")
def test_the_launcher_of_a_command_is_forked_for_nothing_before_has_kept_a_connection(
    worker: StartWorker,
) -> None:
    process = worker()
    finished(sample.Returns().dispatch())
    own = psutil.Process(process.pid)
    [launcher] = own.children()
    assert launcher.cmdline() == own.cmdline()


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


def test_a_renewal_that_waits_behind_other_orders_counts(launcher: LauncherLink) -> None:
    os.kill(launcher.pid, signal.SIGSTOP)
    for until in (boottime() + 0.2, boottime() + 60):
        launcher.order(Lease(until))
        launcher.order(Kill(NOBODY))
    pass_time(0.4)
    os.kill(launcher.pid, signal.SIGCONT)
    launcher.order(Kill(NOBODY))
    reports: list[object] = []

    def are_all_answered() -> bool:
        reports.extend(launcher.channel.receive(wait=False))
        return reports.count(Killed(NOBODY, [], [])) == 3

    wait_until(are_all_answered)
    assert reports.count(Alive()) == 2


def test_a_renewal_read_too_late_does_not_count(launcher: LauncherLink) -> None:
    launcher.order(Lease(boottime() - 1))
    assert launcher.channel.receive(wait=True) == [Alive()]
    with pytest.raises(EOFError):
        launcher.channel.receive(wait=True)
