from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from jobs.states import JobStatus
from tests.factories import make_attempt, make_audit, make_job, make_worker


def page(client, job) -> str:
    return str(client.get(job.get_absolute_url()).content.decode())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"reason": "signal", "signal": 11}, "killed by SIGSEGV (signal 11)"),
        ({"reason": "exited", "exit_code": 3}, "exited without an outcome, exit code 3"),
        ({"reason": "exception", "error_type": "ValueError"}, "ValueError"),
        ({"reason": "timeout"}, "timeout"),
        ({"reason": "memory", "signal": 9}, "memory limit, killed by SIGKILL (signal 9)"),
        ({"reason": "signal", "signal": 250}, "killed by an unknown signal (signal 250)"),
    ],
)
def test_an_attempt_says_how_it_ended(values, sentence, operator) -> None:
    job = make_job(JobStatus.FAILED)
    make_attempt(job, "failed", **values)
    assert sentence in page(operator, job)


def test_an_attempt_says_when_where_and_what_it_used(operator) -> None:
    job = make_job(JobStatus.COMPLETED)
    started = timezone.now() - timedelta(seconds=90)
    make_attempt(
        job,
        worker=make_worker(hostname="beta"),
        started_at=started,
        finished_at=started + timedelta(seconds=75),
        cpu_seconds=1.256,
        peak_rss=50 * 2**20,
    )
    html = page(operator, job)
    ended = (started + timedelta(seconds=75)).isoformat()
    for part in ("ran 1 min 15 s", "CPU 1.3 s", "50.0\xa0MiB", "beta", "4711", ended):
        assert part in html


def test_an_attempt_that_waits_in_its_worker_is_starting(operator) -> None:
    job = make_job(JobStatus.RUNNING)
    make_attempt(job, "running", started_at=None)
    html = page(operator, job)
    assert "Starting" in html
    assert "waiting for a process of its worker" in html


def test_arguments_and_result_are_shown_without_their_secrets(operator) -> None:
    job = make_job(
        JobStatus.COMPLETED,
        arguments={"invoice": 2**63 + 1, "api_key": "hush, hush"},
        result={"ok": True},
    )
    html = page(operator, job)
    assert str(2**63 + 1) in html
    assert "hush, hush" not in html
    assert "&quot;ok&quot;: true" in html


def test_the_error_stands_with_its_traceback(operator) -> None:
    job = make_job(JobStatus.FAILED, error_type="KeyError", error_message="'name'")
    make_attempt(job, "failed", traceback="Traceback: line 7")
    html = page(operator, job)
    for part in ("KeyError", "&#x27;name&#x27;", "Traceback: line 7"):
        assert part in html


def test_the_audit_names_who_did_what(operator) -> None:
    job = make_job(JobStatus.CANCELLED)
    make_audit(job, "cancel", actor_name="bo")
    make_audit(job, "retry", actor_name="")
    html = page(operator, job)
    assert "<b>Cancel asked for</b> by bo" in html
    assert "<b>Retried</b> from a command line or by code" in html


def test_the_receipt_of_a_cancel_is_shown_step_by_step(operator) -> None:
    job = make_job(JobStatus.CANCELLED)
    at = "2026-03-01T12:00:05+00:00"
    receipt = {
        "requested_at": "2026-03-01T12:00:00+00:00",
        "why": "cancelled",
        "steps": [{"at": at, "signal": "SIGKILL", "pids": [7, 8]}],
        "verified_at": at,
        "survivors": [],
    }
    make_attempt(job, "cancelled", reason="cancelled", receipt=receipt)
    html = page(operator, job)
    assert "SIGKILL to 7, 8" in html
    assert "Every process verified dead" in html


def test_an_unresolved_job_says_why_it_waits(operator) -> None:
    job = make_job(job_class="shop.Gone", unresolved_since=timezone.now())
    assert "no worker has a job class named shop.Gone" in page(operator, job)


def test_a_waiting_job_that_nobody_serves_says_so(operator) -> None:
    make_worker(queues=["mail"])
    assert "No running worker serves the queue slow" in page(operator, make_job(queue="slow"))
    assert "No running worker" not in page(operator, make_job(queue="mail"))


def test_a_retrying_job_says_when_it_runs_next(operator) -> None:
    due = timezone.now() + timedelta(minutes=4, seconds=30)
    html = page(operator, make_job(JobStatus.RETRYING, run_at=due))
    assert "The next attempt is due" in html
    assert "in 4 min" in html


def test_the_command_that_runs_it_is_there_to_copy(operator) -> None:
    job = make_job()
    assert f"<code>python manage.py execute {job.pk}</code>" in page(operator, job)


def test_buttons_that_cannot_work_say_why(operator) -> None:
    html = page(operator, make_job(JobStatus.COMPLETED))
    assert "Retry: it has completed; only failed and cancelled jobs can be retried." in html
    assert "Cancel: it has finished." in html
    assert "Run again: this server has no job class of this name." in html
    html = page(operator, make_job(JobStatus.RUNNING))
    assert "Retry: it is running; cancel it first." in html


def test_thousands_of_attempts_are_paged(operator) -> None:
    job = make_job(JobStatus.RUNNING)
    for _ in range(55):
        make_attempt(job, "released")
    html = page(operator, job)
    assert f'href="{job.get_absolute_url()}attempts/55/"' in html
    assert f'href="{job.get_absolute_url()}attempts/5/"' not in html
    older = operator.get(f"{job.get_absolute_url()}?before=6").content.decode()
    assert f'href="{job.get_absolute_url()}attempts/5/"' in older


def test_times_are_shown_in_the_current_zone_and_named_in_utc(operator, settings) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    created = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
    html = page(operator, make_job(created_at=created))
    assert ">2026-03-01 17:30:05</time>" in html
    assert "2026-03-01 12:00:05 UTC (shown in Asia/Kolkata)" in html
