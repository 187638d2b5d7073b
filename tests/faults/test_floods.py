"""Fault 41: output in every amount and shape."""

from __future__ import annotations

import time

import pytest
from django.db.models import Sum

from jobs.models import Attempt, OutputChunk
from jobs.states import JobStatus
from jobs.worker.processes import resident

from ..waiting import wait_until
from .conftest import Figure
from .scale import scaled
from .scene import Scene
from .value_jobs import MIB, Pours

pytestmark = pytest.mark.usefixtures("live_database")
CAP = 256 * 1024
SIZES = {
    "one line": 10_000_000,
    "bytewise": scaled(1_000_000, 20_000),
    "all bytes": 0,
    "split": 50,
    "progress": scaled(1_000_000, 50_000),
    "binary": scaled(10_000_000, 1_000_000),
    "many lines": scaled(1_000_000, 50_000),
    "left writing": 0,
}
KEPT = {
    "one line": ["xxx", "x\n"],
    "bytewise": ["eee"],
    "all bytes": ["\\xff", "\ufffd\x01", "€\n\r10 %\r20 %\r\ufffd\n"],
    "split": ["ü€😀" * 50],
    "progress": [
        f"\r  0 of {SIZES['progress']}\r  1",
        f"\r{SIZES['progress']} of {SIZES['progress']}\n",
    ],
    "binary": ["\\x"],
    "many lines": ["line 0\nline 1\n", f"\nline {SIZES['many lines'] - 1}\n"],
    "left writing": ["the job is over\n"],
}
"""How → what is to be found of its output, at the beginning, in the middle or at the end."""


HARD_TO_STORE = {"one line", "all bytes", "binary"}
"""What a database may have its own mind about: the others it is given as any text."""


@pytest.mark.parametrize(
    "how",
    [pytest.param(how, marks=() if how in HARD_TO_STORE else pytest.mark.once) for how in SIZES],
)
def test_41_output_of_any_shape_is_kept_within_its_cap(
    scene: Scene, figure: Figure, how: str
) -> None:
    scene.ready(OUTPUT_LIMIT=CAP)
    began = time.monotonic()
    (job,) = scene.finish(Pours(folder=str(scene.folder), how=how, size=SIZES[how]).dispatch())
    took = time.monotonic() - began
    assert job.status == JobStatus.COMPLETED
    attempt = Attempt.objects.get(job=job)
    assert stored(attempt) <= CAP
    assert "\0" not in attempt.output
    assert [text for text in KEPT[how] if text not in attempt.output] == []
    if attempt.output_dropped:
        assert stored(attempt) > CAP / 2
    figure(f"{how}: {attempt.output_bytes:,} bytes in {took:.1f} s, {stored(attempt):,} kept")


@pytest.mark.once
def test_41_a_flood_costs_the_worker_no_memory(scene: Scene, figure: Figure) -> None:
    worker = scene.ready(2)
    size = scaled(1024, 100) * MIB
    before = peak = resident(worker.pid)
    began = time.monotonic()
    job = Pours(folder=str(scene.folder), how="flood", size=size).dispatch()

    def is_over() -> bool:
        nonlocal peak
        peak = max(peak, resident(worker.pid))
        job.refresh_from_db()
        return job.is_finished

    wait_until(is_over, 100.0, scene.story)
    took = time.monotonic() - began
    attempt = Attempt.objects.get(job=job)
    lines = attempt.output.splitlines()
    assert (lines[0], lines[-1]) == ("first line", "last line")
    assert stored(attempt) <= MIB
    grown = (peak - before) / MIB
    figure(
        f"{size // MIB} MiB in {took:.1f} s: {stored(attempt):,} bytes kept, "
        f"supervisor +{grown:.1f} MiB at most"
    )
    assert grown <= 20


def stored(attempt: Attempt) -> int:
    found = OutputChunk.objects.filter(attempt=attempt).aggregate(sum=Sum("size"))
    return int(found["sum"] or 0)
