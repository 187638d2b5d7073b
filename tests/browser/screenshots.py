"""The pictures in the README, of real pages: `make screenshots`.

A day of history comes from the benchmarks' fixture; on top of it a worker runs a job that prints.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bench.fixture import fill
from jobs.models import Job, OutputChunk
from jobs.states import JobStatus
from jobsystem.jobs import ChattyJob, LongJob
from tests.factories import make_attempt, make_job
from tests.waiting import wait_until
from tests.worker.conftest import StartWorker, command, worker

__all__ = ["command", "worker"]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
HISTORY = 6000
WAITING = (
    ("shop.RebuildIndex", "default", JobStatus.QUEUED, 0),
    ("shop.SendNewsletter", "mail", JobStatus.QUEUED, 0),
    ("shop.MakeReport", "reports", JobStatus.SCHEDULED, 3600),
    ("shop.PingPartner", "default", JobStatus.RETRYING, 40),
    ("shop.ImportPrices", "imports", JobStatus.QUEUED, 0),
)


@pytest.fixture
def take(open_page: Callable[..., Page]) -> Callable[..., None]:
    """Take a picture of a page once it shows `text`, in a theme."""

    def one(name: str, path: str, text: str, theme: str) -> None:
        page = open_page(path, viewport=SIZE, color_scheme=theme)
        expect(page.get_by_text(text).locator("visible=true").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=IMAGES / f"{name}.png")

    return one


def some_more() -> None:
    """Store a few jobs in the states that history has not."""
    now = timezone.now()
    for job_class, queue, status, seconds in WAITING:
        job = make_job(
            status, job_class=job_class, queue=queue, run_at=now + timedelta(seconds=seconds)
        )
        if status == JobStatus.RETRYING:
            make_attempt(job, "failed", error_type="PartnerDown", error_message="503")
            Job.objects.filter(pk=job.pk).update(
                attempts_spent=1,
                error_type="PartnerDown",
                error_message="503 Service Unavailable",
            )


def test_take_the_pictures(take: Callable[..., None], worker: StartWorker) -> None:
    fill(HISTORY, days=1)
    worker("--queues", "tour")
    long = LongJob(seconds=600).dispatch(queue="tour")
    chatty = ChattyJob(lines=2000).dispatch(queue="tour")
    wait_until(lambda: OutputChunk.objects.filter(attempt__job=chatty).count() > 20, 60.0)
    take("statistics", "/stats/", "Throughput", "light")
    take("log", f"/jobs/{chatty.pk}/attempts/1/", "on standard output", "dark")
    some_more()
    take("list", "/", "RebuildIndex", "light")
    for job in (long, chatty):
        job.cancel()
