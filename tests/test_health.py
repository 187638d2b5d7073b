"""`manage.py jobhealth`: what it looks at, what it prints, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.health import oldest_due
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.pausing import pause
from jobs.states import JobStatus, WorkerStatus
from jobs.worker.processes import host_id

from .factories import make_job, make_names, make_worker

ROOT = Path(__file__).parent.parent
Probe = Callable[..., tuple[int, list[list[str]]]]


@pytest.fixture
def probe(db: None, capsys: pytest.CaptureFixture[str]) -> Probe:
    """Run the command; return its exit code and, of each line, state, check and text."""

    def run(*arguments: str) -> tuple[int, list[list[str]]]:
        code = 0
        try:
            call_command("jobhealth", *arguments)
        except SystemExit as error:
            code = int(error.code or 0)
        return code, [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]

    return run


def queued(age: float, **values: Any) -> None:
    run_at = timezone.now() - timedelta(seconds=age)
    make_job(run_at=run_at, created_at=run_at, **values)


def test_all_is_well_where_a_worker_lives_and_no_job_waits(probe: Probe) -> None:
    make_worker()
    code, lines = probe()
    assert code == 0
    assert [line[:2] for line in lines] == [["ok", "database"], ["ok", "worker"], ["ok", "due"]]
    assert [line[2] for line in lines[1:]] == ["1 live", "no job waits"]


def test_without_a_worker_it_says_so_and_exits_with_1(probe: Probe) -> None:
    make_worker(WorkerStatus.STOPPED, stopped_at=timezone.now())
    code, lines = probe()
    assert code == 1
    assert lines[1] == ["FAILED", "worker", "no live worker"]


def test_a_worker_whose_lease_has_run_out_does_not_count(probe: Probe) -> None:
    make_worker(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert probe("worker")[0] == 1


def test_only_workers_of_this_machine_count_if_asked_for(probe: Probe) -> None:
    make_worker(host_id="another")
    code, lines = probe("worker", "--here")
    assert (code, lines[1][2]) == (1, "no live worker on this host")
    make_worker(host_id=host_id())
    assert probe("worker", "--here")[0] == 0


def test_a_worker_of_other_queues_does_not_count_if_queues_are_named(probe: Probe) -> None:
    make_worker(queues=["reports"])
    code, lines = probe("worker", "--queues", "mail,default")
    assert (code, lines[1][2]) == (1, "no live worker that serves mail or default")
    assert probe("worker", "--queues", "mail,reports")[0] == 0


def test_a_job_that_waits_for_longer_than_the_limit_is_a_failure(probe: Probe) -> None:
    make_names(queues=("default",))
    queued(90)
    assert probe("due", "--max-age", "600")[0] == 0
    code, lines = probe("due", "--max-age", "60")
    assert code == 1
    assert lines[1][:2] == ["FAILED", "due"]
    assert lines[1][2] in (
        "the oldest waits for 90 s, limit 60 s",
        "the oldest waits for 91 s, limit 60 s",
    )


def test_an_old_job_behind_younger_ones_of_higher_priority_is_found(db: None) -> None:
    make_names(queues=("default",))
    for priority, age in ((100, 5), (7, 50), (-100, 500), (-3, 20)):
        queued(age, priority=priority)
        queued(1, priority=priority)
    since = oldest_due(engine_for())
    assert since is not None
    assert 500 <= (timezone.now() - since).total_seconds() < 510


def test_a_due_job_that_nobody_has_queued_yet_counts(probe: Probe) -> None:
    queued(400, status=JobStatus.SCHEDULED)
    assert probe("due")[0] == 1


def test_jobs_of_other_queues_and_jobs_due_later_do_not_count(probe: Probe) -> None:
    make_names(queues=("default", "mail"))
    queued(400, queue="mail")
    queued(400, queue="mail", status=JobStatus.SCHEDULED)
    queued(-400, status=JobStatus.SCHEDULED)
    assert probe("due", "--queues", "default")[0] == 0
    assert probe("due", "--queues", "mail")[0] == 1


def test_jobs_of_a_paused_queue_are_meant_to_wait(probe: Probe) -> None:
    make_names(queues=("default",))
    queued(400)
    queued(400, status=JobStatus.SCHEDULED)
    assert probe("due")[0] == 1
    pause("default")
    assert probe("due")[0] == 0


def test_as_json_it_is_one_object(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("jobhealth", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["healthy"] is False
    assert [one["check"] for one in printed["checks"]] == ["database", "worker", "due"]
    assert printed["checks"][1] == {"check": "worker", "ok": False, "text": "no live worker"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-age", "soon"], "'soon' is not a number of seconds above 0, such as 300"),
        (["--max-age", "nan"], "'nan' is not a number of seconds"),
        (["disk"], "'disk' is not a check: expected database, worker, due"),
    ],
)
def test_what_it_does_not_understand_it_names(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("jobhealth", *arguments)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "OperationalError"),
        ("sqlite:////nowhere/at/all.sqlite3", "unable to open database file"),
    ],
)
def test_a_database_that_does_not_answer_is_one_line_and_exit_code_1(
    database_env: dict[str, str], url: str, words: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "jobhealth"],
        cwd=ROOT,
        env={**database_env, "TEST_DATABASE": url, "DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert ran.stdout.startswith("FAILED  database  ")
    assert words in ran.stdout
    assert ran.stdout.count("\n") == 1
    assert "Traceback" not in ran.stderr
