from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from jobs.lifecycle.pausing import pause
from jobs.states import JobStatus
from tests.factories import make_job, make_worker


def act(client: Client, verb: str, job_id: int, **data: str) -> tuple[str, str]:
    """Carry out one action; return where it led and what it said."""
    answer = client.post(reverse(f"jobs:{verb}", args=[job_id]), data)
    assert answer.status_code == 302
    return answer["Location"], " ".join(str(one) for one in get_messages(answer.wsgi_request))


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_retry_queues_the_job_again(status, operator) -> None:
    make_worker()
    job = make_job(status)
    _, said = act(operator, "retry", job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert "starts as soon as a worker is free" in said
    assert job.audit.get().actor_name


def test_retry_says_that_no_worker_runs(operator) -> None:
    _, said = act(operator, "retry", make_job(JobStatus.FAILED).pk)
    assert "no running worker serves the queue default" in said
    assert "runworker" in said


def test_retry_says_that_no_worker_serves_its_queue(operator) -> None:
    make_worker(queues=["mail"])
    _, said = act(operator, "retry", make_job(JobStatus.FAILED, queue="slow").pk)
    assert "no running worker serves the queue slow" in said


def test_retry_says_that_its_queue_is_paused(operator) -> None:
    make_worker()
    pause("default", "down")
    _, said = act(operator, "retry", make_job(JobStatus.FAILED).pk)
    assert "The queue default is paused: it waits until somebody resumes it." in said


@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.QUEUED])
def test_retry_of_a_job_in_another_state_says_so(status, operator) -> None:
    job = make_job(status)
    _, said = act(operator, "retry", job.pk)
    job.refresh_from_db()
    assert job.status == status
    assert f"is {status} and cannot be retried" in said


@pytest.mark.parametrize("status", [JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RETRYING])
def test_cancel_ends_a_waiting_job(status, operator) -> None:
    job = make_job(status)
    _, said = act(operator, "cancel", job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert "was cancelled before it started" in said


def test_cancel_asks_a_running_job_to_stop(operator) -> None:
    job = make_job(JobStatus.RUNNING)
    _, said = act(operator, "cancel", job.pk)
    job.refresh_from_db()
    assert job.is_cancelling
    assert "was asked to stop" in said
    assert "was already asked to stop" in act(operator, "cancel", job.pk)[1]


def test_cancel_of_a_finished_job_says_so(operator) -> None:
    _, said = act(operator, "cancel", make_job(JobStatus.COMPLETED).pk)
    assert "is completed and cannot be cancelled" in said


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_an_action_on_no_job_is_a_page_not_found(verb, operator) -> None:
    answer = operator.post(reverse(f"jobs:{verb}", args=[404]))
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_an_action_returns_to_the_list_with_its_filter(operator) -> None:
    place = "/?status=failed&class=shop.SendInvoice&queue=mail&before=77"
    assert act(operator, "retry", make_job(JobStatus.FAILED).pk, next=place)[0] == place


@pytest.mark.parametrize(
    "place", ["", "https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"]
)
def test_an_action_never_leads_to_another_site(place, operator) -> None:
    job = make_job(JobStatus.FAILED)
    assert act(operator, "retry", job.pk, next=place)[0] == job.get_absolute_url()


def test_the_list_hands_its_own_address_to_the_actions(operator) -> None:
    make_job(JobStatus.FAILED)
    page = operator.get("/?status=failed&queue=default").content.decode()
    assert 'name="next" value="/?status=failed&amp;queue=default"' in page


def test_what_happened_is_shown_once(operator) -> None:
    act(operator, "cancel", make_job().pk)
    assert "was cancelled before it started" in operator.get("/").content.decode()
    assert "was cancelled before it started" not in operator.get("/").content.decode()
