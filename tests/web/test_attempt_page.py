"""The page of one attempt says how it ended, what it took, and what became of its output."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
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


@pytest.fixture
def job(db: None) -> Job:
    return make_job(JobStatus.FAILED)


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
                "memory; peak 3.9\xa0GB."
            ),
        ),
        (
            {"reason": Reason.SIGNAL, "signal": signal.SIGSEGV},
            "Killed by SIGSEGV (signal 11): it used memory that is not its own.",
        ),
        ({"reason": Reason.SIGNAL, "signal": 200}, "Killed by an unknown signal (signal 200)."),
        (
            {"reason": Reason.MEMORY, "signal": 9, "peak_rss": 5 * GIB, "samples": SAMPLES},
            "It took more memory than it may and was killed: peak 5.0\xa0GB of 4.0\xa0GB.",
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
    assert "Dashed line: its limit, 4.0\xa0GB" in html
    for cell in ("1.0\xa0GB", "2.0\xa0GB", "3.0\xa0GB", "50 %", "100 %", "10 %"):
        assert f'<td class="number">{cell}</td>' in html


def test_numbers_in_drawings_do_not_follow_the_language(job, operator, settings) -> None:
    settings.LANGUAGE_CODE = "de"
    attempt = make_attempt(job, "failed", samples=SAMPLES)
    assert 'y1="4.1"' in page(operator, attempt)


@pytest.mark.parametrize("samples", [None, {}, {"points": [[1.0, 5, 0.1]]}])
def test_nothing_is_drawn_where_nothing_was_measured(job, operator, samples) -> None:
    assert "drawing" not in page(operator, make_attempt(job, "failed", samples=samples))


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
        ("failed", {"output_bytes": 2048}, "It wrote 2.0\xa0KB, which is no longer stored."),
        ("running", {}, "Nothing written so far."),
        ("running", {"started_at": None}, "It waits for a process of its worker."),
    ],
)
def test_a_log_without_lines_says_why(operator, job, status, values, note) -> None:
    assert note in page(operator, make_attempt(job, status, **values))


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


# -- two attempts ----------------------------------------------------------------------------------


def compared(client: Any, one: Attempt, other: Attempt | None = None) -> str:
    query = f"?a={one.pk}" + (f"&b={other.pk}" if other else "")
    answer = client.get(reverse("jobs:compare") + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_failure_is_compared_with_the_last_success_of_its_class(operator) -> None:
    older = make_attempt(make_job(JobStatus.COMPLETED))
    success = make_attempt(make_job(JobStatus.COMPLETED))
    make_attempt(make_job(JobStatus.COMPLETED, job_class="shop.Other"))
    failure = make_attempt(make_job(JobStatus.FAILED), "failed")
    html = compared(operator, failure)
    assert success.get_absolute_url() in html
    assert older.get_absolute_url() not in html
    assert reverse("jobs:compare") + f"?a={failure.pk}" in page(operator, failure)


def test_an_attempt_is_compared_with_the_one_before_it(operator, job) -> None:
    first = make_attempt(job, "failed")
    second = make_attempt(job, "failed")
    query = f"?a={second.pk}&n=1"
    assert reverse("jobs:compare") + query.replace("&", "&amp;") in page(operator, second)
    html = operator.get(reverse("jobs:compare") + query).content.decode()
    assert first.get_absolute_url() in html
    assert "Two attempts compared" in html


def test_a_comparison_takes_few_queries(operator) -> None:
    make_output(make_attempt(make_job(JobStatus.COMPLETED)), ("out", "a\n"))
    failure = make_attempt(make_job(JobStatus.FAILED), "failed")
    make_output(failure, ("out", "b\n"))
    with CaptureQueriesContext(connection) as queries:
        compared(operator, failure)
    assert len(queries) <= 12
    assert all("LIMIT" in one["sql"] for one in queries if "jobs_" in one["sql"])


def test_without_a_success_there_is_nothing_to_compare(operator, job) -> None:
    html = compared(operator, make_attempt(job, "failed"))
    assert "No success to compare with" in html


def test_figures_and_arguments_stand_side_by_side(operator) -> None:
    now = timezone.now()
    pair = []
    for seconds, arguments in ((2, {"id": 7, "same": 1}), (70, {"id": 8, "same": 1, "token": "X"})):
        job = make_job(JobStatus.COMPLETED, arguments=arguments)
        started = now - timedelta(seconds=seconds)
        pair.append(make_attempt(job, started_at=started, finished_at=now, peak_rss=GIB))
    html = compared(operator, *pair)
    assert "2.0 s" in html
    assert "1 min 10 s" in html
    assert html.count("differs</b>") == 2
    assert '"X"' not in html
    assert "X</code>" not in html


def test_arguments_need_their_permission(visitor) -> None:
    pair = [make_attempt(make_job(arguments={"id": f"ARGUMENT{n}"})) for n in (1, 2)]
    html = compared(visitor("view_job", "view_job_logs"), *pair)
    assert "ARGUMENT" not in html
    assert "Arguments need the permission to view them." in html


def test_the_first_line_that_differs_is_shown_numbers_aside(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    make_output(pair[0], ("out", "12:01:03 begin 4711\nid 5d41402abc4b2a76\ngood\nend\n"))
    make_output(pair[1], ("out", "12:09:59 begin 88\nid 7d793037a0760186\nbad\nend\n"))
    html = compared(operator, *pair)
    assert f'href="{pair[0].get_absolute_url()}?line=3#L3"' in html
    assert f'href="{pair[1].get_absolute_url()}?line=3#L3"' in html
    assert "good" in html
    assert "bad" in html
    assert "begin" not in html


def test_a_log_that_ends_before_the_other_differs_there(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    make_output(pair[0], ("out", "begin\nmore\n"))
    make_output(pair[1], ("out", "begin\n"))
    html = compared(operator, *pair)
    assert "has ended here" in html
    assert "more" in html


def test_equal_logs_are_said_to_be_equal(operator) -> None:
    pair = [make_attempt(make_job()) for _ in range(2)]
    for attempt in pair:
        make_output(attempt, ("out", "same\n"))
    assert "lines say the same" in compared(operator, *pair)


@pytest.mark.parametrize("query", ["", "?a=", "?a=x", "?a=999999", "?a=9999999999999999999"])
def test_an_attempt_that_is_not_there_cannot_be_compared(operator, query) -> None:
    assert operator.get(reverse("jobs:compare") + query).status_code == 404
