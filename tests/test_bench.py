"""The benchmarks still work: the harness on SQLite, the fixture on the database of the tests."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Count, F, QuerySet, Sum
from django.utils import timezone

from bench import figures, tables
from bench.effects import VARIABLE, Effects, LostOrTwice, record
from bench.figures import Figure
from bench.fixture import BATCH, fill
from bench.run import Plan
from jobs import error_groups, statistics
from jobs.fingerprints import Likeness, likeness
from jobs.histograms import bucket_of, limits
from jobs.lifecycle import rollups
from jobs.lifecycle.records import Outcome
from jobs.models import Attempt, ErrorRollup, Job, JobClass, Queue, Resolution, Rollup, Worker
from jobs.states import AttemptStatus, JobStatus

from .sample_jobs import Returns

ROOT = Path(__file__).parents[1]


# -- the fixture -----------------------------------------------------------------------------------


@pytest.fixture
def filled(db: None, monkeypatch: pytest.MonkeyPatch) -> int:
    """A database with some thousand finished jobs, written in several batches."""
    assert BATCH > 700
    monkeypatch.setattr("bench.fixture.BATCH", 700)
    fill(2000)
    return 2000


def test_the_fixture_has_as_many_jobs_as_asked_for(filled: int) -> None:
    by_status = dict(Job.objects.values_list("status").annotate(Count("id")))
    assert by_status == {"completed": 1880, "failed": 80, "cancelled": 40}
    assert Queue.objects.count() == len(set(Job.objects.values_list("queue", flat=True))) == 4
    assert JobClass.objects.count() == len(set(Job.objects.values_list("job_class", flat=True)))


def test_the_fixture_has_the_attempts_its_jobs_say_they_made(filled: int) -> None:
    by_status = dict(Attempt.objects.values_list("status").annotate(Count("id")))
    assert by_status == {"completed": 1880, "failed": 320, "cancelled": 20}
    rows = Job.objects.annotate(count=Count("attempts"))
    assert not rows.exclude(count=F("attempts_made")).exists()


def test_the_fixture_is_consistent(filled: int) -> None:
    connection.check_constraints()
    assert not Attempt.objects.filter(started_at__gt=F("finished_at")).exists()
    assert not Job.objects.filter(run_at__gt=F("finished_at")).exists()
    last = Attempt.objects.filter(number=F("job__attempts_made"), job__status=JobStatus.COMPLETED)
    assert last.count() == last.filter(status=AttemptStatus.COMPLETED).count() == 1880
    assert not last.exclude(finished_at=F("job__finished_at")).exists()


def test_the_rows_of_the_fixture_are_read_as_those_of_workers(filled: int) -> None:
    job = Job.objects.filter(status=JobStatus.COMPLETED).order_by("id")[7]
    attempt = job.attempts.get()
    assert job.arguments["order_id"] == (job.result or {})["rows"]
    assert attempt.worker in Worker.objects.all()
    assert (job.started_at, job.finished_at) == (attempt.started_at, attempt.finished_at)
    assert attempt.duration is not None


def test_jobs_go_on_behind_the_fixture(filled: int) -> None:
    last = Job.objects.order_by("-id")[0].pk
    # MySQL goes on behind what it has ever given, also in a transaction that was undone.
    behind = Returns().dispatch().pk - last
    assert behind == 1 or (behind > 1 and connection.vendor == "mysql")
    fill(100)
    assert Job.objects.count() == 2101


def test_the_sums_of_the_fixture_agree_with_its_attempts(filled: int) -> None:
    known = rollups.Tally()
    for job in Job.objects.prefetch_related("attempts"):
        made = sorted(job.attempts.all(), key=lambda attempt: attempt.number)
        for attempt in made:
            last = attempt.number == len(made)
            status = JobStatus(job.status) if last else JobStatus.RETRYING
            known.add(outcome_of(job, attempt), status)
        if not made and job.finished_at:
            known.row(job.job_class, job.queue, job.finished_at)["cancelled"] += 1
    rows = statistics.between(rollups.FIRST_PERIOD, timezone.now())
    told = {
        "ever": Rollup.objects.filter(resolution=Resolution.EVER),
        "periods": rows,
    }
    for found in told.values():
        assert_same_sums(found, known)


def outcome_of(job: Job, attempt: Attempt) -> Outcome:
    due = job.run_at + timedelta(seconds=60 * (attempt.number - 1))
    measured = {name: getattr(attempt, name) for name in ("started_at", "cpu_seconds", "peak_rss")}
    return Outcome(
        attempt_id=attempt.pk,
        job_id=job.pk,
        job_class=job.job_class,
        number=attempt.number,
        status=AttemptStatus(attempt.status),
        finished_at=attempt.finished_at or due,
        queue=job.queue,
        due_at=due,
        **measured,
    )


def assert_same_sums(found: QuerySet[Rollup], known: rollups.Tally) -> None:
    for name in statistics.COUNTED:
        assert (found.aggregate(n=Sum(name))["n"] or 0) == sum(
            row[name] for row in known.rows.values()
        )
    whole = statistics.summary(found)
    assert whole.ran_seconds == pytest.approx(sum(r["ran_seconds"] for r in known.rows.values()))
    assert whole.waited.total == whole.ran.total == Attempt.objects.count()
    assert whole.peak_rss == max(row["peak_rss"] for row in known.rows.values())
    assert whole.cpu_seconds == pytest.approx(sum(r["cpu_seconds"] for r in known.rows.values()))
    for percent in (50, 95):
        true = sorted(one.duration.total_seconds() for one in Attempt.objects.all() if one.duration)
        lower, upper = limits(bucket_of(true[math.ceil(len(true) * percent / 100) - 1]))
        assert lower <= (whole.ran.percentile(percent) or 0) <= upper


def test_the_failed_jobs_of_the_fixture_are_in_the_group_of_their_error(filled: int) -> None:
    jobs = Job.objects.exclude(error_type="")
    assert jobs.exists()
    for job in jobs:
        like = likeness(job.job_class, job.error_type, job.error_message)
        assert job.error_group == like.fingerprint
    assert not Job.objects.filter(error_type="", error_group__isnull=False).exists()


def test_the_error_groups_of_the_fixture_agree_with_its_attempts(filled: int) -> None:
    failed = Attempt.objects.filter(status=AttemptStatus.FAILED).select_related("job")
    known = Counter(
        likeness(one.job.job_class, one.error_type, one.error_message) for one in failed
    )
    rows = ErrorRollup.objects.filter(resolution=Resolution.EVER)
    assert {Likeness(r.job_class, r.error_type, r.message): r.failures for r in rows} == known
    now = timezone.now()
    recent = failed.filter(finished_at__gte=(now - timedelta(days=7)).replace(minute=0, second=0))
    groups = error_groups.most_frequent(now, limit=1000)
    assert sum(group.windows["7d"] for group in groups) == pytest.approx(recent.count(), abs=2)


# -- what jobs did ---------------------------------------------------------------------------------


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Effects]:
    effects = Effects(f"test-{uuid.uuid4().hex}")
    monkeypatch.setenv(VARIABLE, str(effects.path))
    yield effects
    effects.remove()


def test_effects_are_read_as_they_were_written(effects: Effects) -> None:
    for number in (3, 1, 2):
        record(number)
    assert effects.count() == 3
    assert [one.number for one in effects.exactly([1, 2, 3])] == [3, 1, 2]


@pytest.mark.parametrize("ran", [[1], [1, 2, 2], [1, 2, 3]])
def test_a_job_that_is_lost_or_ran_twice_is_seen(effects: Effects, ran: list[int]) -> None:
    for number in ran:
        record(number)
    with pytest.raises(LostOrTwice):
        effects.exactly([1, 2])


# -- figures and tables ----------------------------------------------------------------------------


def figure(name: str, *values: float, subject: str = "jobs", store: str = "sqlite") -> Figure:
    return Figure(run="r", subject=subject, store=store, name=name, values=list(values))


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "results" / "figures.jsonl"
    figures.append(path, [figure("cpu", 8.3, 8.1, 8.2)])
    assert json.loads(path.read_text())["median"] == 8.2
    assert figures.read(path) == [figure("cpu", 8.3, 8.1, 8.2)]


def test_a_table_says_whether_a_target_is_met() -> None:
    table = tables.of_run([figure("cpu", 8.3, 8.1, 8.2), figure("dispatch", 1000.0)])
    assert "| 8.20 [8.10–8.30] | ≤ 8.20 ✓ |" in table
    assert "| 1,000 | ≥ 3,500 ✗ |" in table


def test_a_new_process_per_job_is_compared_with_the_bare_fork() -> None:
    (share,) = figures.comparisons([figure("drain-fresh-2", 150.0), figure("fork-2", 300.0)])
    assert (share.name, share.values) == ("fresh-to-fork-2", [50.0])


def test_a_table_of_peers_says_how_many_times_better_ours_is() -> None:
    ours = [figure("latency-p50", 2.0), figure("dispatch", 300.0)]
    theirs = [figure("latency-p50", 8.0, subject="x"), figure("dispatch", 100.0, subject="x")]
    row = tables.of_peers([*ours, *theirs]).splitlines()[-1]
    assert row == "| x | sqlite | 100, ours ×3.00 | 8.00, ours ×4.00 |"


def test_a_measure_that_failed_is_shown_as_such_with_the_reason() -> None:
    failed = figure("latency")
    failed.error = "LostOrTwice: of 2 jobs 1 did not run"
    for table in (tables.of_run([failed]), tables.of_peers([failed])):
        assert "| failed |" in table
        assert table.endswith("jobs on sqlite, latency: LostOrTwice: of 2 jobs 1 did not run")


@pytest.mark.parametrize("kind", ["figures", "pages", "peers"])
def test_the_document_has_a_place_for_each_table(kind: str, tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    before = tables.DOCUMENT.read_text(encoding="utf-8")
    document.write_text(before, encoding="utf-8")
    tables.write(kind, "| a table |", document)
    after = document.read_text(encoding="utf-8")
    assert f"<!-- {kind} -->\n| a table |\n<!-- end of {kind} -->" in after
    assert after.splitlines()[-1] == before.splitlines()[-1]


def test_a_document_without_a_place_for_a_table_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("nothing", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no <!-- peers -->"):
        tables.write("peers", "| a table |", document)
    assert document.read_text(encoding="utf-8") == "nothing"


# -- the harness -----------------------------------------------------------------------------------


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., list[Figure]]:
    """Run `python -m bench --quick` on SQLite, and return the figures it took."""

    def run(*arguments: str) -> list[Figure]:
        results = tmp_path / "figures.jsonl"
        command = [sys.executable, "-m", "bench", "--quick", "--database", "sqlite"]
        done = subprocess.run(
            [*command, "--results", str(results), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return figures.read(results)

    return run


def test_measures_are_chosen_by_how_their_names_begin() -> None:
    plan = Plan("r", "sqlite", ("dispatch", "drain-warm"), 1, True, Path())
    known = ["dispatch", "dispatch-many", "drain-warm-2", "drain-fresh-2", "dispatching"]
    assert plan.chosen(known) == ["dispatch", "dispatch-many", "drain-warm-2"]


def test_a_name_that_no_measure_has_is_refused() -> None:
    plan = Plan("r", "sqlite", ("drian",), 1, True, Path())
    with pytest.raises(SystemExit, match="no measure is called 'drian'; there are drain"):
        plan.chosen(["drain-warm-2"])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it brings its own SQLite")
def test_the_benchmarks_run(bench: Callable[..., list[Figure]]) -> None:
    found = {one.name: one for one in bench("--only", "start-up,dispatch-many,drain-warm-2")}
    expected = {"start-up", "dispatch-many", "drain-warm-2", "drain-warm-2-recorded"}
    assert set(found) == expected
    assert all(one.values and one.values[0] > 0 for one in found.values())
