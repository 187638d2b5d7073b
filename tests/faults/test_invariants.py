"""The invariants: what they are there to see, they see."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from jobs.worker.processes import boottime
from jobs.worker.remains import put_mark

from ..waiting import wait_until
from .invariants import CANARY_DONE, canaries_were_quick, descriptors_fit
from .processes import costs, zombies
from .scale import at_most
from .scene import TOKEN, Scene

pytestmark = pytest.mark.usefixtures("live_database")


@pytest.fixture
def sleepers() -> Iterator[ExitStack]:
    """Processes that end with the test."""
    with ExitStack() as stack:
        yield stack


def sleep(sleepers: ExitStack, **how: object) -> int:
    process = subprocess.Popen(["sleep", "600"], **how)  # type: ignore[call-overload]
    sleepers.enter_context(process)
    sleepers.callback(process.kill)
    return int(process.pid)


def test_what_a_job_leaves_behind_is_an_orphan(bare_scene: Scene, sleepers: ExitStack) -> None:
    worker = bare_scene.ready()
    assert bare_scene.orphans() == []
    named = sleep(sleepers, env={TOKEN: bare_scene.token})
    # A daemon: no environment, no parent of ours, nothing but the mark that its worker's launcher has put.
    marked = sleep(sleepers, env={}, preexec_fn=lambda: put_mark(worker.pid))
    assert bare_scene.orphans() == sorted([named, marked])


def test_who_has_ended_unheard_is_a_zombie() -> None:
    process = subprocess.Popen(["true"])
    wait_until(lambda: zombies([process.pid]) == {process.pid}, message="it ends")
    process.wait()
    assert zombies([process.pid]) == set()


def test_a_canary_that_took_too_long_is_found_out(bare_scene: Scene) -> None:
    bare_scene.ready()
    bare_scene.over()
    bare_scene.finish()
    canaries_were_quick(bare_scene)
    [(job, _)] = bare_scene.canaries
    bare_scene.canaries.append((job, boottime() - 2 * at_most(CANARY_DONE)))
    with pytest.raises(AssertionError, match="canaries took"):
        canaries_were_quick(bare_scene)


@pytest.mark.parametrize("leaked", [-3, 3])
def test_descriptors_that_are_gained_or_lost_are_seen(bare_scene: Scene, leaked: int) -> None:
    worker = bare_scene.ready()
    before = costs(worker)
    assert descriptors_fit(worker, before)
    other = before.launcher._replace(descriptors=before.launcher.descriptors - leaked)
    assert not descriptors_fit(worker, before._replace(launcher=other))
