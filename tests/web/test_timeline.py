"""The story of a job: attempts and what people asked for, in one stream."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import jobs
from jobs import usual
from jobs.lifecycle.pausing import pause
from jobs.models import Job
from jobs.states import JobStatus
from jobs.usual import Usual
from jobs.web.runs import SHOWN, runs_around
from jobs.web.tracebacks import own_frames
from tests.factories import make_attempt, make_audit, make_job, make_worker
from tests.plans import plan


def page(client, job, query: str = "") -> str:
    return str(client.get(job.get_absolute_url() + query).content.decode())


def story(html: str) -> list[str]:
    """Return the facts as text, in their order."""
    (part,) = re.findall(r'<ol class="timeline story">(.*?)</ol>', html, re.DOTALL)
    items = re.findall(r"<li class=.*?</li>", part, re.DOTALL)
    whole = (item.replace("<wbr>", "") for item in items)
    return [" ".join(re.sub(r"<[^>]+>", " ", item).split()) for item in whole]


def test_what_happened_stands_in_its_order(operator) -> None:
    start = timezone.now() - timedelta(minutes=10)
    minute = timedelta(minutes=1)
    job = make_job(JobStatus.CANCELLED, created_at=start, run_at=start + 4 * minute)
    for n, status in ((1, "failed"), (5, "cancelled")):
        make_attempt(
            job,
            status,
            worker=make_worker(hostname=f"host{n}"),
            claimed_at=start + n * minute,
            started_at=start + n * minute,
            finished_at=start + (n + 1) * minute,
            error_type="KeyError" if status == "failed" else "",
            reason="exception" if status == "failed" else "cancelled",
        )
    make_audit(job, "cancel", actor_name="bo", at=start + 5.5 * minute)
    told = story(page(operator, job))
    starts = ["Dispatched", "Attempt 1", "Failed", "Due", "Attempt 2", "Cancel asked", "Cancelled"]
    assert [line[: len(word)] for line, word in zip(told, starts, strict=True)] == starts
    assert "taken by host1" in told[1]
    assert "KeyError" in told[2]
    assert "by bo" in told[5]


def test_who_dispatched_it_and_from_which_job_is_said_where_it_is_known(operator) -> None:
    old, new = make_job(JobStatus.FAILED), make_job()
    make_audit(new, "dispatch", actor_name="ana", other_job_id=old.pk)
    make_audit(old, "copy", actor_name="ana", other_job_id=new.pk)
    assert f"Dispatched by ana, as a copy of #{old.pk}" in story(page(operator, new))[0]
    assert f"Run once more by ana as #{new.pk}" in " ".join(story(page(operator, old)))
    assert story(page(operator, make_job()))[0].startswith("Dispatched by code")


def test_each_page_tells_what_was_asked_in_its_time(operator) -> None:
    start = timezone.now() - timedelta(hours=5)
    job = make_job(JobStatus.RUNNING, created_at=start, run_at=start)
    for n in range(60):
        at = start + timedelta(minutes=n)
        make_attempt(job, "released", claimed_at=at, started_at=at, finished_at=at)
    for minutes, who in ((5.5, "early"), (30.5, "late")):
        make_audit(job, "retry", actor_name=who, at=start + timedelta(minutes=minutes))
    newest = story(page(operator, job))
    assert any("late" in line for line in newest)
    assert not any("early" in line or "Dispatched" in line for line in newest)
    oldest = story(page(operator, job, "?before=11"))
    assert any("early" in line for line in oldest)
    assert not any("late" in line for line in oldest)
    assert oldest[0].startswith("Dispatched")


def test_a_retry_for_later_says_for_when(operator) -> None:
    job = make_job(JobStatus.SCHEDULED)
    make_audit(job, "retry_at", actor_name="ana", detail="2030-01-31T14:00:00+00:00")
    (line,) = [line for line in story(page(operator, job)) if "Retry asked for" in line]
    assert "by ana for 2030-01-31 14:00:00" in line


def test_a_paused_queue_is_why_a_job_waits(operator) -> None:
    pause("default", "the provider is down")
    html = page(operator, make_job())
    assert "The queue default is paused, so it waits." in html
    assert "the provider is down" in html


TRACEBACK = """Traceback (most recent call last):
  File "{package}/worker/runner.py", line 5, in run
    handle()
  File "/srv/shop/jobs.py", line 7, in handle
    client.send()
  File "/venv/lib/python3.13/site-packages/http/client.py", line 9, in send
    connect(
    ^^^^^^^
  File "/venv/lib/python3.13/site-packages/http/socket.py", line 2, in connect
    raise ConnectionError("no")
ConnectionError: no

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop/jobs.py", line 9, in handle
    self.give_up()
ValueError: gave up
"""


def test_of_a_traceback_the_projects_own_frames_come_first(operator) -> None:
    text = TRACEBACK.format(package=Path(jobs.__file__).parent)
    own = own_frames(text)
    assert own.count("/srv/shop/jobs.py") == 2
    assert own.count("  …\n") == 2
    assert "ConnectionError: no" in own
    assert "ValueError: gave up" in own
    assert not re.search(r"site-packages|runner\.py|\^\^", own)
    job = make_job(JobStatus.FAILED, error_type="ValueError")
    make_attempt(job, "failed", traceback=text)
    html = page(operator, job)
    assert '<details id="own-traceback" open>' in html
    assert '<details id="traceback">' in html


@pytest.mark.parametrize(
    "text",
    ["", "no traceback", 'File "/srv/a.py", line 1\n', '  File "/x/site-packages/a.py", line 1\n'],
)
def test_a_traceback_with_nothing_to_leave_out_or_nothing_left_stays_whole(text) -> None:
    assert own_frames(text) == ""


def test_a_job_is_marked_among_the_latest_of_its_class(db) -> None:
    made = [make_job(JobStatus.COMPLETED) for _ in range(100)]
    make_job(job_class="shop.Other")
    newest = runs_around(made[-1])
    assert [run.pk for run in newest] == [job.pk for job in made[-SHOWN:]]
    assert [run.pk for run in newest if run.is_this] == [made[-1].pk]
    middle = runs_around(made[50])
    assert [run.pk for run in middle] == [job.pk for job in made[21:81]]
    assert len(runs_around(made[0])) == 31


def test_the_longer_a_job_ran_the_higher_it_is_drawn(db) -> None:
    now = timezone.now()
    spans = [timedelta(milliseconds=5), timedelta(seconds=5), timedelta(hours=1)]
    for span in spans:
        job = make_job(JobStatus.COMPLETED, started_at=now - span, finished_at=now)
    make_job(JobStatus.RETRYING)
    heights = [run.height for run in runs_around(job)]
    assert heights[:3] == sorted(set(heights[:3]))
    assert heights[2] == 32
    assert runs_around(job)[3].ran is None


def test_a_running_job_says_when_it_is_slower_than_usual(operator, monkeypatch) -> None:
    job = make_job(JobStatus.RUNNING, started_at=timezone.now() - timedelta(seconds=40))
    assert "Usually done" not in page(operator, job)
    monkeypatch.setattr(
        usual, "usual_of", lambda names, ask: dict.fromkeys(names, Usual(2.0, 30.0))
    )
    html = page(operator, job)
    assert "Usually done within 2.0 s, 95 % within 30 s." in html
    assert "Slower than usual." in html
    Job.objects.update(started_at=timezone.now())
    assert "Slower than usual." not in page(operator, job)


def test_the_like_of_a_job_are_read_from_their_index_alone(db) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    job = make_job()
    with CaptureQueriesContext(connection) as queries:
        runs_around(job)
    assert len(queries) == 2
    for query in queries:
        (step,) = plan(query["sql"]).splitlines()
        assert "LIMIT" in query["sql"]
        assert re.search(r"USING INDEX jobs_job_class \(job_class=\? AND id[<>]\?\)", step)


def test_the_page_of_a_job_takes_few_statements(operator) -> None:
    job = make_job(JobStatus.RUNNING)
    for _ in range(5):
        make_attempt(job, "released", worker=make_worker())
        make_audit(job)
    with CaptureQueriesContext(connection) as queries:
        page(operator, job, "?before=4")
    ours = [query["sql"] for query in queries if "jobs_" in query["sql"]]
    assert len(ours) <= 11
