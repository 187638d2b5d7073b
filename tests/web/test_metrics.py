"""The metrics for Prometheus: their format, their numbers, and that they only ever grow."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import statistics
from jobs.lifecycle import rollups
from jobs.lifecycle.engines import engine_for
from jobs.models import Resolution, Rollup
from jobs.states import JobStatus
from jobs.web import stats
from tests.factories import make_job, make_names, make_worker

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
SAMPLE = re.compile(
    r"^(?P<name>[a-z_]+?)(?P<suffix>_bucket|_sum|_count)?"
    r'(?:\{(?P<labels>(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (?P<value>[-+.e\d]+)$'
)

pytestmark = pytest.mark.django_db


def read(client: Client) -> dict[str, float]:
    """Return each line of the answer as name with labels → value, having checked its form."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    told: dict[str, float] = {}
    kinds: dict[str, str] = {}
    text = answer.content.decode()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split(" ")
            assert name not in kinds
            kinds[name] = kind
        elif not line.startswith("# HELP"):
            found = SAMPLE.match(line)
            assert found, line
            kind = kinds.get(found["name"]) or kinds[found["name"] + (found["suffix"] or "")]
            assert (found["suffix"] is None) == (kind != "histogram")
            key, _, value = line.rpartition(" ")
            assert key not in told
            told[key] = float(value)
    return told


def ended(resolution: int = Resolution.EVER, **values: Any) -> Rollup:
    defaults: dict[str, Any] = {"job_class": "shop.Ship", "queue": "default"}
    period = timezone.now() if resolution else rollups.FIRST_PERIOD
    return Rollup.objects.create(resolution=resolution, period=period, **(defaults | values))


def test_an_empty_system_has_metrics(operator: Client) -> None:
    told = read(operator)
    assert told['jobs_unfinished{status="queued"}'] == 0
    assert told['jobs_workers{state="running"}'] == told["jobs_slots"] == 0


def test_what_waits_and_runs_is_told(operator: Client) -> None:
    make_names(queues=("mail",))
    make_worker(concurrency=3)
    old = timezone.now() - timedelta(hours=2)
    make_worker(beat_at=old, lease_expires_at=old)
    make_job(JobStatus.RUNNING)
    for minutes in (1, 9):
        make_job(queue="mail", run_at=timezone.now() - timedelta(minutes=minutes))
    told = read(operator)
    assert told['jobs_unfinished{status="running"}'] == 1
    assert told['jobs_unfinished{status="queued"}'] == told['jobs_due{queue="mail"}'] == 2
    assert 540 <= told['jobs_oldest_due_seconds{queue="mail"}'] < 560
    assert told['jobs_workers{state="running"}'] == told['jobs_workers{state="dead"}'] == 1
    assert told["jobs_slots"] == 3


def test_counts_stop_at_the_cap(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "CAP", 2)
    for _ in range(5):
        make_job()
    assert read(operator)['jobs_unfinished{status="queued"}'] == 2


def test_counters_are_what_was_merged_and_what_was_not_yet(operator: Client) -> None:
    ended(completed=7, failed=1, cpu_seconds=2.5)
    ended(Resolution.WRITER, completed=2, shard=1, cpu_seconds=0.5)
    ended(Resolution.MINUTE, completed=7)
    told = read(operator)
    labels = 'class="shop.Ship",queue="default"'
    assert told[f'jobs_ended_total{{{labels},outcome="completed"}}'] == 9
    assert told[f'jobs_ended_total{{{labels},outcome="failed"}}'] == 1
    assert f'jobs_ended_total{{{labels},outcome="cancelled"}}' not in told
    assert told['jobs_cpu_seconds_total{class="shop.Ship"}'] == 3


def test_counters_do_not_go_back_when_rows_are_merged(operator: Client) -> None:
    row = ended(Resolution.WRITER, completed=2, shard=1, ran_3=2, ran_seconds=0.01, ran_max=0.006)
    before = read(operator)
    Rollup.objects.filter(pk=row.pk).update(period=timezone.now() - timedelta(days=500))
    while rollups.merge(engine_for()):
        pass
    assert Rollup.objects.count() == 1
    assert read(operator) == before


def test_buckets_of_a_histogram_add_up(operator: Client) -> None:
    ended(ran_1=3, ran_2=4, ran_31=2, ran_seconds=9e6, ran_max=4e6)
    ended(queue="mail", ran_2=1)
    told = read(operator)

    def bucket(le: str) -> float:
        return told[f'jobs_run_seconds_bucket{{class="shop.Ship",le="{le}"}}']

    assert [bucket(le) for le in ("0.002", "0.008", "+Inf")] == [3, 8, 10]
    assert told['jobs_run_seconds_count{class="shop.Ship"}'] == 10
    assert told['jobs_run_seconds_sum{class="shop.Ship"}'] == 9e6
    assert told['jobs_wait_seconds_count{class="shop.Ship"}'] == 0


def test_names_are_escaped(operator: Client) -> None:
    ended(job_class='a"b\\c\nd', completed=1)
    assert any(r'class="a\"b\\c\nd"' in key for key in read(operator))


def test_a_refusal_is_plain_text() -> None:
    answer = Client().get("/metrics")
    assert (answer.status_code, answer["Content-Type"]) == (401, "text/plain; charset=utf-8")
    assert answer.content.decode().startswith("Log in, or send the header")


def test_the_document_lists_every_metric_with_its_kind(operator: Client) -> None:
    text = operator.get("/metrics").content.decode()
    rows = re.findall(r"^\| `(jobs_\w+)` \| (\w+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert rows == re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)


def test_all_there_ever_was_is_read_up_to_a_limit() -> None:
    for name in ("a", "b", "c"):
        ended(job_class=name, completed=1)
    assert list(statistics.ever_by_class_and_queue(2)) == [("a", "default"), ("b", "default")]
