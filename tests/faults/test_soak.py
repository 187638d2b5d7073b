"""Fault 50, short: everything at once for a while, with the same faults every time."""

from __future__ import annotations

import pytest

from .conftest import Figure
from .scale import nightly, scaled
from .scene import Scene
from .soaking import Soak

SEED = 50


@nightly
@pytest.mark.timeout(1200)
def test_50_soak(bare_scene: Scene, figure: Figure) -> None:
    seconds = scaled(120, 20)
    soak = Soak(bare_scene, SEED)
    result = soak.run(seconds, jobs=seconds * 30)
    figure(f"seed {SEED}, {seconds} s: {result}")
    assert result.ok, f"{result}\n{bare_scene.describe_orphans()}\n{bare_scene.story()}"
    assert sum(soak.done.values()) >= seconds / 4
