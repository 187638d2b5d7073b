"""The page of one attempt says how it ended, what it took, and what became of its output."""

from __future__ import annotations

import re
import signal
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from jobs.models import Attempt, AuditEntry, Job
from jobs.states import AttemptStatus, JobStatus, Reason
from jobs.web.endings import exit_sentence
from tests.factories import make_attempt, make_job, make_output, make_worker

GIB = 1024**3
SAMPLES = {
    "memory_limit": 4 * GIB,
    "points": [[1.0, GIB, 0.5], [2.0, 2 * GIB, 1.5], [3.0, 3 * GIB, 1.6]],
}


def page(client: Any, attempt: Attempt, query: str = "") -> str:
    answer = client.get(attempt.get_absolute_url() + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"reason": Reason.SIGNAL, "signal": signal.SIGKILL, "peak_rss": int(3.9 * GIB)},
            (
                "Killed by SIGKILL (signal 9), not by its worker: likely by the kernel, out of "
                "memory; peak 3.9\xa0GiB."
            ),
        ),
        (
            {"reason": Reason.SIGNAL, "signal": signal.SIGSEGV},
            "Killed by SIGSEGV (signal 11): it used memory that is not its own.",
        ),
        ({"reason": Reason.SIGNAL, "signal": 200}, "Killed by an unknown signal (signal 200)."),
        (
            {"reason": Reason.MEMORY, "signal": 9, "peak_rss": 5 * GIB, "samples": SAMPLES},
            "It took more memory than it may and was killed: peak 5.0\xa0GiB of 4.0\xa0GiB.",
        ),
        (
            {"reason": Reason.EXITED, "exit_code": 3},
            "Its process exited with code 3 before handle() returned.",
        ),
        (
            {"reason": Reason.TIMEOUT, "signal": 9},
            "It ran for longer than its timeout and was stopped. Its process was ended by SIGKILL.",
        ),
        (
            {"reason": Reason.WORKER_LOST},
            "Its worker was lost; another one noticed and closed it.",
        ),
        ({"reason": Reason.EXCEPTION}, "It raised an exception."),
        ({"reason": "of a later version"}, ""),
        ({"status": "completed"}, "handle() returned."),
        ({"status": "running", "finished_at": None}, ""),
    ],
)
def test_the_end_of_an_attempt_is_a_sentence(values, sentence) -> None:
    values = {"status": AttemptStatus.FAILED, "finished_at": timezone.now()} | values
    assert exit_sentence(Attempt(**values)) == sentence


def test_every_reason_has_a_sentence() -> None:
    for reason in set(Reason) - {Reason.NONE}:
        attempt = Attempt(status=AttemptStatus.FAILED, reason=reason, signal=9, exit_code=1)
        assert exit_sentence(attempt), reason


def test_memory_and_cpu_are_drawn_with_the_limit_and_told_as_a_table(job, operator) -> None:
    attempt = make_attempt(job, "failed", samples=SAMPLES, peak_rss=3 * GIB, cpu_seconds=1.6)
    html = page(operator, attempt)
    assert html.count('class="drawing') == 2
    assert 'class="limit"' in html
    assert "Dashed line: its limit, 4.0\xa0GiB" in html
    for cell in ("1.0\xa0GiB", "2.0\xa0GiB", "3.0\xa0GiB", "50 %", "100 %", "10 %"):
        assert f'<td class="number">{cell}</td>' in html


def test_numbers_in_drawings_do_not_follow_the_language(job, operator, settings) -> None:
    settings.LANGUAGE_CODE = "de"
    attempt = make_attempt(job, "failed", samples=SAMPLES)
    assert 'y1="4.1"' in page(operator, attempt)


@pytest.mark.parametrize("samples", [None, {}, {"points": [[1.0, 5, 0.1]]}])
def test_nothing_is_drawn_where_nothing_was_measured(job, operator, samples) -> None:
    assert "drawing" not in page(operator, make_attempt(job, "failed", samples=samples))


def test_a_running_attempt_shows_what_it_takes_so_far(operator) -> None:
    started = timezone.now() - timedelta(seconds=10)
    samples = SAMPLES | {"now": [5.0, GIB // 2]}
    values = {"samples": samples, "peak_rss": 3 * GIB, "cpu_seconds": 1.8, "started_at": started}
    html = page(operator, make_attempt(make_job(JobStatus.RUNNING), "running", **values))
    assert html.count('class="drawing') == 2
    assert re.search(r'Memory now</dt><dd>512.0\xa0MiB <span class="muted">\d+(\.\d)? s ago', html)
    assert "3.0\xa0GiB of 4.0\xa0GiB" in html
    assert "1.8 s" in html
    assert '<td class="number">5.0</td><td class="number">512.0\xa0MiB</td>' in html


def test_what_was_last_known_of_a_lost_worker_s_attempt_is_shown_as_that(job, operator) -> None:
    values = {"samples": SAMPLES | {"now": [3.0, GIB]}, "peak_rss": 3 * GIB, "cpu_seconds": 1.6}
    html = page(operator, make_attempt(job, "failed", reason=Reason.WORKER_LOST, **values))
    assert "Last memory</dt><dd>1.0\xa0GiB" in html
    assert html.count('<td class="number">3.0</td>') == 1


def test_the_receipt_says_who_asked_and_what_was_done(job, operator) -> None:
    now = timezone.now().isoformat()
    steps = [{"at": now, "signal": "SIGTERM", "pids": [4711, 4712]}]
    receipt = {"requested_at": now, "by": "ana", "why": "cancelled", "steps": steps}
    receipt |= {"verified_at": now, "survivors": []}
    html = page(operator, make_attempt(job, "cancelled", receipt=receipt))
    for part in ("by ana", "SIGTERM to 4711, 4712", "Every process verified dead"):
        assert part in html


@pytest.mark.parametrize(
    ("status", "values", "note"),
    [
        ("failed", {}, "It wrote nothing."),
        ("failed", {"output_bytes": 2048}, "It wrote 2.0\xa0KiB, which is no longer stored."),
        ("running", {}, "Nothing written so far."),
        ("running", {"started_at": None}, "It waits for a process of its worker."),
    ],
)
def test_a_log_without_lines_says_why(operator, job, status, values, note) -> None:
    assert note in page(operator, make_attempt(job, status, **values))


def test_the_output_of_a_running_attempt_is_counted_while_it_comes(operator) -> None:
    running = make_attempt(make_job(JobStatus.RUNNING), "running")
    make_output(running, ("out", "x" * 2000))
    Attempt.objects.update(output_bytes=0)
    assert "2.0\xa0KiB" in operator.get(running.get_absolute_url()).content.decode()


def test_an_attempt_that_retention_has_deleted_is_named_so(job, operator) -> None:
    make_job()
    Job.objects.filter(pk=job.pk).delete()
    answer = operator.get(f"/jobs/{job.pk}/attempts/1/")
    assert answer.status_code == 404
    assert "This job was deleted with its attempts" in answer.content.decode()
    never = operator.get("/jobs/999999/attempts/1/")
    assert "This job was deleted" not in never.content.decode()


# -- stacks ----------------------------------------------------------------------------------------


def test_the_stacks_of_a_running_attempt_can_be_asked_for_once(operator) -> None:
    attempt = make_attempt(make_job(JobStatus.RUNNING), "running", worker=make_worker())
    address = reverse("jobs:dump", args=[attempt.job_id, attempt.number])
    assert address in page(operator, attempt)
    assert operator.post(address).status_code == 302
    attempt.refresh_from_db()
    assert attempt.dump_requested_at is not None
    assert AuditEntry.objects.get().action == "dump"
    assert "already asked for" in operator.post(address, follow=True).content.decode()
    assert AuditEntry.objects.count() == 1


def test_an_attempt_that_does_not_run_is_not_asked(operator, job) -> None:
    attempt = make_attempt(job, "failed")
    address = reverse("jobs:dump", args=[job.pk, 1])
    assert address not in page(operator, attempt)
    html = operator.post(address, follow=True).content.decode()
    assert "Only a running attempt has stacks" in html
    assert not AuditEntry.objects.exists()


def test_stacks_are_offered_to_those_who_may_cancel(visitor) -> None:
    attempt = make_attempt(make_job(JobStatus.RUNNING), "running")
    html = page(visitor("view_job", "view_job_logs"), attempt)
    assert reverse("jobs:dump", args=[attempt.job_id, attempt.number]) not in html
