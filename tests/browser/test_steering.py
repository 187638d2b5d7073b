"""Steering queues, workers and jobs in a real browser, with and without its script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from jobs.models import Job, Queue, Worker
from jobs.states import JobStatus, WorkerStatus
from tests import sample_jobs as sample
from tests.factories import make_attempt, make_job, make_names
from tests.waiting import wait_until


@pytest.fixture(params=[True, False], ids=["script", "no script"])
def page(request, open_page) -> Page:
    page: Page = open_page("/queues/", java_script_enabled=request.param)
    return page


def test_a_queue_is_paused_with_a_reason_and_resumed(page) -> None:
    make_names(queues=("mail",))
    page.goto("/queues/")
    page.get_by_text("Pause mail").click()
    page.get_by_label("Reason").fill("the provider is down")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_text("The queue mail is paused; what runs goes on.")).to_be_visible()
    expect(page.get_by_text("the provider is down")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Workers take jobs of mail again.")).to_be_visible()
    assert not Queue.objects.get().is_paused()


def test_what_is_paused_waits_and_what_is_resumed_runs(open_page, worker) -> None:
    wait_until(lambda: Queue.objects.filter(name="default").exists(), message="a worker")
    page = open_page("/queues/")
    page.get_by_text("Pause default").click()
    page.get_by_label("Reason").fill("a test")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_text("The queue default is paused")).to_be_visible()
    job = sample.Returns().dispatch()
    page.goto(job.get_absolute_url())
    expect(page.get_by_text("The queue default is paused, so it waits.")).to_be_visible()
    page.goto("/queues/")
    page.get_by_role("button", name="Resume").click()
    page.goto(job.get_absolute_url())
    expect(page.locator("[data-live=head] .status")).to_have_text("Completed")


def test_a_worker_is_drained(open_page, worker) -> None:
    wait_until(lambda: Worker.objects.exists(), message="a worker")
    page = open_page("/workers/")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("finishes what it runs, takes no more, and leaves")).to_be_visible()
    wait_until(lambda: worker.poll() is not None, message="it has left")
    assert worker.returncode == 0
    assert Worker.objects.get().status == WorkerStatus.STOPPED
    page.reload()
    expect(page.get_by_text("It left in order")).to_be_visible()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("is no longer listed")).to_be_visible()


def test_a_job_is_run_as_a_new_one_with_other_arguments(page) -> None:
    old = make_job(
        JobStatus.FAILED, job_class=sample.Notes.job_name, arguments={"log": "a", "seconds": 1.0}
    )
    make_attempt(old, "failed")
    page.goto(old.get_absolute_url())
    page.get_by_role("link", name="Edit and run as new").click()
    page.get_by_label("seconds float").fill("many")
    page.get_by_role("button", name="Run as a new job").click()
    expect(page.get_by_role("alert")).to_contain_text("seconds: expected float")
    page.get_by_label("seconds float").fill("2.5")
    page.get_by_role("button", name="Run as a new job").click()
    expect(page.get_by_role("link", name=f"#{old.pk}")).to_be_visible()
    new = Job.objects.exclude(pk=old.pk).get()
    assert new.arguments == {"log": "a", "seconds": 2.5}


def test_a_job_is_retried_at_a_time(page) -> None:
    job = make_job(JobStatus.FAILED)
    page.goto(job.get_absolute_url())
    page.get_by_text("Retry at…").click()
    page.get_by_label("Time").fill("2999-01-31T14:00")
    page.get_by_role("button", name="Retry then").click()
    expect(page.get_by_text("will be queued again at 2999-01-31")).to_be_visible()
    job.refresh_from_db()
    assert job.status == JobStatus.SCHEDULED


def test_a_job_among_its_like_leads_to_the_others(page) -> None:
    others = [make_job(JobStatus.COMPLETED) for _ in range(5)]
    page.goto(make_job(JobStatus.FAILED).get_absolute_url())
    page.get_by_text("As a table").click()
    page.get_by_role("link", name=f"#{others[2].pk}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"#{others[2].pk}")
