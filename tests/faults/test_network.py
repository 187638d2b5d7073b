"""Workers on several machines, and one PostgreSQL: what a cut cable does to them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.db import connection

from jobs.models import Job
from jobs.worker.processes import boottime

from ..postgres import QUICK, start_postgres
from ..waiting import wait_until
from .conftest import Figure
from .fault_jobs import Refuses, Works
from .figures import p95
from .invariants import kept
from .machines import Machine, Refused, machines
from .scale import nightly, pass_time, scaled
from .scene import Effect, Scene
from .servers import led_to

LEASE = scaled(60, 6)
GRACE = 1
SHORT, LONG = 2, 2
"""Jobs that end while their machine is cut off, and jobs that are still running then."""
OURS = "job_id IN (SELECT id FROM jobs_job WHERE priority = 0)"
"""The attempts of a test's own jobs: that of the canary is not among them."""
STARTED = f"SELECT count(*) FROM jobs_attempt WHERE started_at IS NOT NULL AND {OURS}"
RERUN = f"{STARTED} AND number = 2"
ALIVE = "SELECT count(*) FROM jobs_worker WHERE status = 'running'"
COMPLETED = "SELECT count(*) FROM jobs_job WHERE status = 'completed' AND priority = 0"


class Cluster:
    """Two machines, and a PostgreSQL on this one that they reach by their cables only."""

    def __init__(self, hosts: list[Machine], env: dict[str, str]) -> None:
        self.hosts, self.env = hosts, env
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        listen = ",".join(host.server for host in hosts)
        self.url = start_postgres(QUICK | {"listen_addresses": listen, "port": str(self.port)})
        self.url += f"&port={self.port}"
        self.directory = parse_qs(urlsplit(self.url).query)["host"][0]
        with (Path(self.directory) / "data" / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host all all {host.address}/32 trust\n" for host in hosts)
        self.ask("SELECT pg_reload_conf()")
        env["DATABASE_URL"] = env["TEST_DATABASE"] = self.url
        self.scene: Scene

    def environ(self, host: Machine) -> dict[str, str]:
        settings = {"LEASE": LEASE, "BEAT": LEASE / 6, "KILL_GRACE": GRACE, "RETRY_DELAY": 0}
        ours = {f"BACKGROUND_JOB_{name}": str(value) for name, value in settings.items()}
        url = f"postgresql://postgres@{host.server}:{self.port}/postgres"
        return {**self.env, **ours, "TEST_DATABASE": url, "DATABASE_URL": url}

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as asking:
            return asking.execute(sql.encode()).fetchall()

    def start_worker(self, host: Machine) -> None:
        """Start a worker on a machine, and wait until it has entered itself and has its processes."""
        log = self.scene.folder / f"{host.name}.log"
        guest = host.start_worker(self.environ(host), log, "--concurrency", str(SHORT + LONG))
        self.scene.enter(guest)
        self.scene.measure(guest)

    def dispatch(self, folder: str, count: int, job_class: Any = Works, **fields: Any) -> list[Job]:
        """Dispatch jobs that note what they do in a folder of this name."""
        path = self.scene.folder / folder
        path.mkdir()
        jobs = [job_class(folder=str(path), **fields) for _ in range(count)]
        return job_class.dispatch_many(jobs)  # type: ignore[no-any-return]

    def effects(self, what: str, jobs: list[Job]) -> list[Effect]:
        """Return what these jobs have noted of this kind, on whichever machine."""
        wanted = {job.pk for job in jobs}
        return [one for one in self.scene.effects(what) if one.job in wanted]

    def wait_for(self, sql: str, value: object) -> None:
        patience = 60.0 + 2 * LEASE
        wait_until(lambda: self.ask(sql) == [(value,)], patience, lambda: f"{sql}: {self.story()}")

    def story(self) -> str:
        return f"{self.attempts()}\n{self.scene.story()}"

    def attempts(self) -> list[tuple[Any, ...]]:
        columns = "job_id, number, status, reason, worker_id"
        return self.ask(f"SELECT {columns} FROM jobs_attempt WHERE {OURS} ORDER BY 1, 2")


@pytest.fixture
def cluster(
    live_database: None, database_env: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """Machines without a worker as yet. What holds after every fault is checked in the end."""
    if connection.vendor != "postgresql":
        pytest.skip("several machines want PostgreSQL")
    if os.geteuid() != 0:
        pytest.skip("namespaces take root")
    try:
        with machines(2) as hosts:
            found = Cluster(hosts, database_env)
            place = {"HOST": found.directory, "PORT": str(found.port), "USER": "postgres"}
            with led_to(**place, NAME="postgres"):
                call_command("migrate", verbosity=0)
                found.scene = request.getfixturevalue("bare_scene")
                with kept(found.scene):
                    yield found
    except Refused as error:
        pytest.skip(f"namespaces are not permitted here: {error}")


@pytest.mark.timeout(600)
def test_16_a_machine_that_is_cut_off_in_mid_job_loses_its_jobs_to_another_once(
    cluster: Cluster, figure: Figure
) -> None:
    away, here = cluster.hosts
    short = cluster.dispatch("short", SHORT, waits=True)
    jobs = short + cluster.dispatch("long", LONG, waits=True)
    cluster.start_worker(away)
    cluster.wait_for(STARTED, len(jobs))
    cluster.start_worker(here)
    (first,), (second,) = cluster.ask("SELECT id FROM jobs_worker ORDER BY started_at")

    away.cut_off()
    (cluster.scene.folder / "short" / "go").touch()
    wait_until(lambda: len(cluster.effects("end", short)) == SHORT, LEASE / 2, "they end unheard")
    cluster.wait_for(RERUN, len(jobs))
    pass_time(LEASE / 4)
    before = cluster.attempts()
    away.connect()
    cluster.scene.over()
    cluster.wait_for(ALIVE, 2)
    pass_time(LEASE / 4)
    assert cluster.attempts() == before, "a stale outcome has changed something"

    (cluster.scene.folder / "long" / "go").touch()
    cluster.wait_for(COMPLETED, len(jobs))
    lost, won = (1, "released", "worker_lost", first), (2, "completed", "", second)
    assert [one[1:] for one in cluster.attempts()] == [lost, won] * len(jobs)
    assert len(cluster.effects("start", jobs)) == 2 * len(jobs)
    figure(f"lease {LEASE} s: reruns {len(jobs)}/{len(jobs)}, stale outcomes 0, overlap 0")


@nightly
@pytest.mark.timeout(600)
def test_01_jobs_of_a_machine_that_is_switched_off_run_again_on_another(
    cluster: Cluster, figure: Figure
) -> None:
    first, second = cluster.hosts
    jobs = cluster.dispatch("all", 4, seconds=600, once=True, grandchild=True)
    cluster.start_worker(first)
    cluster.wait_for(STARTED, 4)
    cluster.start_worker(second)
    first.switch_off()
    off_at = boottime()
    cluster.scene.over()
    cluster.wait_for(COMPLETED, 4)
    took = max(one.at for one in cluster.effects("start", jobs)) - off_at
    assert took <= LEASE + 10
    assert len(cluster.effects("start", jobs)) == 8
    figure(f"lease {LEASE} s: all run again on another machine after {took:.1f} s")


CANCELLED = (
    "SELECT j.job_class, extract(epoch FROM a.finished_at - j.cancel_requested_at)::float "
    "FROM jobs_attempt a JOIN jobs_job j ON j.id = a.job_id WHERE j.status = 'cancelled'"
)


@nightly
@pytest.mark.timeout(600)
def test_32_jobs_on_another_machine_are_cancelled_from_here(
    cluster: Cluster, figure: Figure
) -> None:
    host, _ = cluster.hosts
    rounds = scaled(10, 2)
    cluster.start_worker(host)
    for number in range(rounds):
        jobs = cluster.dispatch(f"willing{number}", 3, seconds=600, grandchild=True)
        jobs += cluster.dispatch(f"refusing{number}", 1, Refuses, how="signal")
        cluster.wait_for(f"{STARTED} AND status = 'running'", 4)
        wait_until(lambda: host.names().count("sleep") == 3, message="grandchildren")
        call_command("cancel", *(job.pk for job in jobs))
        cluster.wait_for("SELECT count(*) FROM jobs_job WHERE status = 'running'", 0)
        assert "sleep" not in host.names()
    took = cluster.ask(CANCELLED)
    assert len(took) == 4 * rounds
    willing = p95([seconds for name, seconds in took if name == "tests.Works"])
    refusing = p95([seconds for name, seconds in took if name == "tests.Refuses"])
    figure(f"click to tree gone p95 {willing:.2f} s, {refusing:.2f} s where TERM is ignored")
    assert willing <= 2
    assert refusing <= GRACE + 1
