"""Fault 50, short: everything at once for a while, with the same faults every time."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .conftest import Figure
from .invariants import kept
from .processes import open_files
from .scale import scaled
from .scene import Scene
from .servers import Crash, crashable
from .soaking import Soak

SEED = 50
JOBS = 20
"""Each second."""
CLEAN = r"jobs (\d+) lost 0 dup-outcome 0 overlap 0 orphans 0 rss [+-]\d+% fds [+-][01]"


@pytest.fixture
def crash(live_database: None, database_env: dict[str, str]) -> Iterator[Crash | None]:
    with crashable(database_env) as found:
        yield found


@pytest.mark.timeout(1200)
def test_50_soak(crash: Crash | None, bare_scene: Scene, figure: Figure) -> None:
    seconds = scaled(120, 15)
    soak = Soak(bare_scene, SEED, crash)
    with kept(bare_scene):
        result = soak.run(seconds, jobs=seconds * JOBS)
        figure(f"seed {SEED}, {seconds} s: {result}")
        found = re.fullmatch(CLEAN, str(result))
        assert soak.spared is not None
        story = f"{soak.orphans}\n{open_files(soak.spared.pid)}\n{bare_scene.story()}"
        assert found, f"{result}\n{story}"
        assert int(found[1]) == seconds * JOBS
        assert result.ok, result
    assert soak.done.keys() == soak.faults.keys()
