from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs import __version__
from jobs.models import AuditEntry, Worker
from jobs.states import JobStatus, WorkerStatus
from jobs.web.workers import rescue_sentence
from tests.factories import make_attempt, make_job, make_worker

PAGE = "/workers/"
LOST = WorkerStatus.LOST


def page(client, path: str = PAGE) -> str:
    return str(client.get(path).content.decode())


def act(client, name: str, worker: Worker) -> str:
    """Press a button, and return the page it leads to."""
    answer = client.post(reverse(f"jobs:{name}", args=[worker.pk]))
    return page(client, answer["Location"])


def test_a_worker_says_where_it_is_what_it_serves_and_what_it_uses(operator) -> None:
    started = timezone.now() - timedelta(hours=2, minutes=5)
    make_worker(
        hostname="beta",
        pid=4321,
        queues=["mail", "slow"],
        started_at=started,
        rss=60 * 2**20,
        cpu_seconds=75.0,
    )
    html = page(operator)
    for part in ("beta", "4321", "mail, slow", "2 h 5 min", "60.0\xa0MiB", "1.0 % CPU", "Working"):
        assert part in html


def test_the_jobs_a_worker_runs_are_linked_with_their_time_and_memory(operator) -> None:
    worker = make_worker(concurrency=3)
    job = make_job(JobStatus.RUNNING)
    since = timezone.now() - timedelta(seconds=75)
    make_attempt(job, "running", worker=worker, started_at=since, peak_rss=70 * 2**20)
    make_attempt(make_job(JobStatus.RUNNING), "running", worker=worker, started_at=None)
    html = page(operator)
    assert f'href="{job.get_absolute_url()}">SendInvoice</a>' in html
    assert "1 min 15 s" in html
    assert "peak 70.0\xa0MiB" in html
    assert "1 of 3" in html
    assert "1 claimed ahead" in html


@pytest.mark.parametrize(
    ("beat", "lease", "word"),
    [(2, 58, "Working"), (30, 30, "Late"), (61, -1, "Presumed dead")],
)
def test_a_heartbeat_that_is_missing_shows_in_two_steps(beat, lease, word, operator) -> None:
    now = timezone.now()
    make_worker(
        beat_at=now - timedelta(seconds=beat), lease_expires_at=now + timedelta(seconds=lease)
    )
    html = page(operator)
    assert f"</svg>{word}</span>" in html


def test_another_version_is_flagged(operator) -> None:
    make_worker(version=__version__)
    assert "this server has" not in page(operator)
    make_worker(version="0.0.1")
    assert f"this server has {__version__}" in page(operator)


def test_draining_a_worker_is_asked_once_said_and_recorded(operator) -> None:
    worker = make_worker()
    assert "finishes what it runs, takes no more, and leaves" in act(operator, "drain", worker)
    html = act(operator, "drain", worker)
    assert "is leaving already, or is gone" in html
    assert "</svg>Draining</span>" in html
    assert "It is leaving already" in html
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.actor_name) == ("drain", "alpha:100", "user0")


@pytest.mark.parametrize(
    ("rescued", "sentence"),
    [
        ({}, "It held no jobs."),
        ({"queued": 1}, "1 job returned to its queue."),
        (
            {"queued": 1, "retrying": 1, "failed": 2, "cancelled": 1},
            "2 jobs returned to their queues, 2 failed: no attempts were left, 1 was cancelled.",
        ),
    ],
)
def test_a_lost_worker_says_what_became_of_its_jobs(rescued, sentence, operator) -> None:
    assert rescue_sentence(rescued) == sentence
    make_worker(LOST, stopped_at=timezone.now(), rescued=rescued)
    html = page(operator)
    assert sentence in html
    assert "</svg>Lost</span>" in html


def test_a_worker_that_is_gone_can_be_forgotten(operator) -> None:
    worker = make_worker(LOST, hostname="gamma", stopped_at=timezone.now(), rescued={})
    assert "gamma" in page(operator)
    assert "is no longer listed" in act(operator, "forget", worker)
    assert "gamma" not in page(operator)
    assert Worker.objects.exists()


def test_a_dead_worker_that_nobody_rescued_is_not_forgotten(operator) -> None:
    worker = make_worker(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert "was not rescued yet" in act(operator, "forget", worker)
    worker.refresh_from_db()
    assert worker.forgotten_at is None


def test_a_worker_nobody_knows_is_not_found(operator) -> None:
    for name in ("drain", "forget"):
        assert operator.post(reverse(f"jobs:{name}", args=[UUID(int=9)])).status_code == 404


def test_who_may_not_manage_workers_is_not_offered_it(visitor) -> None:
    for worker in (make_worker(), make_worker(LOST, stopped_at=timezone.now())):
        html = page(visitor("view_job"))
        assert str(worker.pk) not in html


def test_no_worker_says_how_to_start_one(operator) -> None:
    assert "python manage.py runworker" in page(operator)


def test_workers_that_are_gone_are_paged_by_when_they_stopped(operator) -> None:
    now = timezone.now()
    for n in range(30):
        make_worker(LOST, hostname=f"host-{n:02}", stopped_at=now - timedelta(minutes=n))
    first = page(operator)
    assert "host-24" in first
    assert "host-25" not in first
    older = first.rpartition("?before=")[2].partition('"')[0]
    second = page(operator, f"{PAGE}?before={older}")
    assert "host-25" in second
    assert "host-24" not in second


@pytest.mark.parametrize("key", ["0", "x", "-1", "9" * 19, "9" * 40])
def test_a_key_that_makes_no_sense_does_no_harm(key, operator) -> None:
    assert operator.get(f"{PAGE}?before={key}").status_code == 200


def test_the_page_takes_few_statements_however_many_workers_there_are(operator) -> None:
    for _ in range(5):
        worker = make_worker()
        make_attempt(make_job(JobStatus.RUNNING), "running", worker=worker)
    with CaptureQueriesContext(connection) as queries:
        operator.get(PAGE)
    ours = [query["sql"] for query in queries if "jobs_" in query["sql"]]
    assert len(ours) <= 4
    assert all("LIMIT" in sql for sql in ours)
