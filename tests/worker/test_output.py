"""Everything a job says is kept with its attempt, up to the cap."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

from jobs.models import Attempt

from .. import sample_jobs as sample
from ..waiting import wait_until
from .conftest import StartWorker, finished, only_attempt

pytestmark = pytest.mark.usefixtures("live_database")
Burst = Callable[..., object]


@pytest.fixture
def spoken(burst: Burst) -> Attempt:
    job = sample.Says().dispatch()
    burst()
    return only_attempt(job)


SAID = (
    *("by print\n", "tests.sample_jobs: by logging\n", "by stderr\n", "by a program\n"),
    *("by the descriptor\n", "by C\n", "KeyError: 'inside'\n"),
)


def test_it_is_kept_however_it_was_said(spoken: Attempt) -> None:
    assert {text: spoken.output.count(text) for text in SAID} == dict.fromkeys(SAID, 1)


@pytest.mark.once
def test_streams_and_levels_are_told_apart(spoken: Attempt) -> None:
    sources = {line.text.splitlines()[0]: line.source for line in spoken.lines}
    assert sources["tests.sample_jobs: by logging"] == "info"
    assert sources["tests.sample_jobs: with traceback"] == "error"
    assert "by stderr\n" in "".join(one.text for one in spoken.lines if one.source == "err")
    assert "by print\n" in "".join(one.text for one in spoken.lines if one.source == "out")


@pytest.mark.once
def test_records_below_the_level_are_left_out(spoken: Attempt) -> None:
    assert "too quiet" not in spoken.output


@pytest.mark.once
def test_a_lower_level_keeps_more(burst: Burst) -> None:
    job = sample.Says().dispatch()
    burst(LOG_LEVEL="DEBUG")
    assert "too quiet" in only_attempt(job).output


def test_output_of_a_running_job_can_be_read(worker: StartWorker) -> None:
    job = sample.SpeaksAndSleeps().dispatch()
    worker()
    wait_until(
        lambda: any("still at it" in one.output for one in job.attempts.all()), message="output"
    )
    job.cancel()
    finished(job)


def test_bytes_that_are_not_text_are_kept_readable(burst: Burst) -> None:
    job = sample.WritesBytes().dispatch()
    burst()
    output = only_attempt(job).output
    assert "\\xff" in output
    assert "ü\ufffd€" in output


@pytest.mark.once
def test_a_flood_is_cut_to_its_first_and_last_part(worker: StartWorker) -> None:
    process = worker("--concurrency", "1", OUTPUT_LIMIT=256 * 1024)
    finished(sample.Returns().dispatch())
    job = sample.Floods(mebibytes=64).dispatch()
    supervisor = psutil.Process(process.pid)
    largest = 0

    def look() -> bool:
        nonlocal largest
        largest = max(largest, supervisor.memory_info().rss)
        job.refresh_from_db()
        return job.is_finished

    before = supervisor.memory_info().rss
    wait_until(look, 60.0, "the flood has ended")
    attempt = only_attempt(job)
    output = attempt.output
    assert output.startswith("first line\n")
    assert output.endswith("last line\n")
    assert len(output) <= 256 * 1024
    assert attempt.output_bytes == 64 * sample.MIB + len("first line\nlast line\n")
    assert attempt.output_dropped == attempt.output_bytes - len(output)
    assert largest - before < 20 * sample.MIB
