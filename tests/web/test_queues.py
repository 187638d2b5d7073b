from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from jobs.models import AuditEntry, Queue, Resolution, Rollup
from jobs.states import JobStatus
from jobs.web.queues import backlog
from tests.factories import make_job, make_names, make_worker
from tests.plans import plan

PAGE = "/queues/"


def page(client, path: str = PAGE) -> str:
    return str(client.get(path).content.decode())


def pause(client, **values):
    return client.post(reverse("jobs:pause"), {"queue": "mail", "reason": "down", **values})


@pytest.fixture
def mail(db) -> Queue:
    make_names(queues=("mail",))
    return Queue.objects.get()


def test_a_queue_says_what_is_due_what_runs_and_how_long_the_oldest_waits(mail, operator) -> None:
    make_worker(queues=["mail"], concurrency=4)
    hour = timezone.now() - timedelta(hours=1, seconds=5)
    make_job(queue="mail", priority=5)
    make_job(queue="mail", run_at=hour)
    make_job(queue="other", run_at=hour - timedelta(hours=5))
    make_job(JobStatus.RUNNING, queue="mail")
    html = page(operator)
    assert ">2</a>" in html
    assert '>1</a> <span class="muted">of 4</span>' in html
    assert "1 h 0 min" in html
    assert "No live worker" not in html


def test_a_queue_that_no_live_worker_serves_says_so(mail, operator) -> None:
    make_worker(queues=["other"])
    make_worker(queues=["mail"], lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert "No live worker serves this queue" in page(operator)


def test_the_last_hour_is_drawn_from_the_sums(mail, operator) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    for age, completed, failed in ((1, 4, 0), (20, 2, 2), (90, 50, 0)):
        Rollup.objects.create(
            resolution=Resolution.MINUTE,
            period=now - timedelta(minutes=age),
            job_class="shop.SendInvoice",
            queue="mail",
            completed=completed,
            failed=failed,
        )
    html = page(operator)
    assert "8 jobs finished in the last hour" in html
    assert html.count('class="good"') == 2
    assert html.count('class="bad"') == 1


def test_a_paused_queue_says_who_why_since_when_and_until_when(mail, operator) -> None:
    until = timezone.localtime() + timedelta(hours=2)
    answer = pause(operator, reason="<b>down</b>", until=until.strftime("%Y-%m-%dT%H:%M"))
    assert answer["Location"] == PAGE
    html = page(operator)
    for part in ("Paused", "by user0", "just now", "&lt;b&gt;down&lt;/b&gt;", "Resume"):
        assert part in html
    assert until.strftime("%Y-%m-%d %H:%M:00") in html


def test_resuming_is_said_and_recorded(mail, operator) -> None:
    pause(operator)
    operator.post(reverse("jobs:resume"), {"queue": "mail"})
    assert "Workers take jobs of mail again." in page(operator)
    assert "is not paused" in page(operator, operator.post(
        reverse("jobs:resume"), {"queue": "mail"}
    )["Location"])  # fmt: skip
    entries = AuditEntry.objects.order_by("id").values_list("action", "actor_name")
    assert list(entries) == [("pause", "user0"), ("resume", "user0")]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"reason": " "}, "Say why: others will want to know."),
        ({"until": "tomorrow"}, "&#x27;tomorrow&#x27; is not a time such as"),
        ({"until": "2026-13-45T99:99"}, "is not a time such as"),
        ({"until": "9999-12-31T23:59:59-23:59"}, "is not a time such as"),
        ({"until": "0001-01-01T00:00"}, "is not a time such as|has passed already"),
        ({"until": "2020-01-01T00:00"}, "The end of the pause has passed already."),
        ({"queue": "nobody's"}, "There is no queue named"),
        ({"queue": "mail\0"}, ""),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused_with_the_reason(
    values, sentence, mail, operator
) -> None:
    answer = pause(operator, **values)
    html = page(operator, answer["Location"])
    assert any(part in html for part in sentence.split("|"))
    if sentence:
        assert not Queue.objects.get().is_paused()


def test_a_queue_that_was_paused_already_keeps_its_first_reason(mail, operator) -> None:
    pause(operator, reason="first")
    pause(operator, reason="second")
    assert "The queue mail was paused already." in page(operator)
    assert Queue.objects.get().pause_reason == "first"


def test_after_an_action_one_is_where_one_was(mail, operator) -> None:
    assert pause(operator, next="/queues/?after=a")["Location"] == "/queues/?after=a"
    assert pause(operator, next="https://evil.example/")["Location"] == PAGE


def test_who_may_not_manage_queues_is_not_offered_it(mail, visitor) -> None:
    html = page(visitor("view_job"))
    assert reverse("jobs:pause") not in html
    assert reverse("jobs:resume") not in html


def test_many_queues_are_paged_by_name(operator) -> None:
    make_names(queues=tuple(f"queue-{n:03}" for n in range(60)))
    first = page(operator)
    assert "queue-024" in first
    assert "queue-025" not in first
    second = page(operator, "/queues/?after=queue-024")
    assert "queue-025" in second
    assert "queue-024<" not in second


def test_no_queue_yet_says_where_they_come_from(operator) -> None:
    assert "A queue appears here as soon as a worker knows it" in page(operator)


def test_the_page_takes_few_statements_however_many_queues_there_are(operator) -> None:
    make_names(queues=tuple(f"queue-{n:03}" for n in range(30)))
    with CaptureQueriesContext(connection) as queries:
        operator.get(PAGE)
    ours = [query["sql"] for query in queries if "jobs_" in query["sql"]]
    assert len(ours) <= 5
    assert all("LIMIT" in sql or "jobs_rollup" in sql for sql in ours)


def test_the_backlog_is_read_from_the_index_of_claims(mail) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("plans are read as SQLite words them")
    with CaptureQueriesContext(connection) as queries:
        backlog(["mail", "other"])
    steps = plan(queries[0]["sql"]).splitlines()
    searches = [step for step in steps if "jobs_job" in step]
    assert len(searches) == 2
    assert all("INDEX jobs_job_claim (queue=?)" in step for step in searches)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_a_long_backlog_is_counted_to_a_limit(mail, operator) -> None:
    for _ in range(1_002):
        make_job(queue="mail")
    found = backlog(["mail"])["mail"]
    assert (found.due.value, found.due.capped) == (1_000, True)
    assert "1,000+" in page(operator)
