"""Workers on several machines, and one PostgreSQL: what a cut cable does to them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection

from ..postgres import QUICK, start_postgres
from ..waiting import wait_until
from ..worker.conftest import ROOT
from .conftest import Figure
from .machines import Machine, Refused, machines
from .scale import pass_time, scaled

LEASE = scaled(60, 6)
SHORT, LONG = 2, 2
"""Jobs that end while their machine is cut off, and jobs that are still running then."""
STARTED = "SELECT count(*) FROM jobs_attempt WHERE started_at IS NOT NULL"
RERUN = f"{STARTED} AND number = 2"
ALIVE = "SELECT count(*) FROM jobs_worker WHERE status = 'running'"
COMPLETED = "SELECT count(*) FROM jobs_job WHERE status = 'completed'"


class Cluster:
    """Two machines, and a PostgreSQL on this one that they reach by their cables only."""

    def __init__(self, hosts: list[Machine], folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        listen = ",".join(host.server for host in hosts)
        self.url = start_postgres(QUICK | {"listen_addresses": listen, "port": str(self.port)})
        self.url += f"&port={self.port}"
        directory = Path(parse_qs(urlsplit(self.url).query)["host"][0])
        with (directory / "data" / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host all all {host.address}/32 trust\n" for host in hosts)
        self.ask("SELECT pg_reload_conf()")
        self.manage("migrate", "--verbosity", "0")

    def environ(self, url: str) -> dict[str, str]:
        settings = {"LEASE": LEASE, "BEAT": LEASE / 6, "KILL_GRACE": 1, "RETRY_DELAY": 0}
        ours = {f"BACKGROUND_JOB_{name}": str(value) for name, value in settings.items()}
        database = {"TEST_DATABASE": url, "DATABASE_URL": url}
        return {**os.environ, **ours, **database, "DJANGO_SETTINGS_MODULE": "tests.settings"}

    def manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(
            command, cwd=ROOT, env=self.environ(self.url), check=True, capture_output=True
        )

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as asking:
            return asking.execute(sql.encode()).fetchall()

    def start_worker(self, host: Machine) -> None:
        """Start a worker on a machine, and wait until it has entered itself."""
        known = len(self.ask("SELECT id FROM jobs_worker"))
        url = f"postgresql://postgres@{host.server}:{self.port}/postgres"
        log = self.folder / f"{host.name}.log"
        host.start_worker(self.environ(url), log, "--concurrency", str(SHORT + LONG))
        wait_until(lambda: len(self.ask("SELECT id FROM jobs_worker")) > known, 30.0, log.read_text)

    def dispatch(self, **folders: int) -> None:
        """Dispatch jobs that wait for the file `go`: name of their folder → how many."""
        program = "from tests.faults.fault_jobs import Works\n"
        for name, count in folders.items():
            (self.folder / name).mkdir()
            one = f"Works(folder={str(self.folder / name)!r}, waits=True)"
            program += f"Works.dispatch_many([{one} for _ in range({count})])\n"
        self.manage("shell", "-c", program)

    def effects(self, what: str) -> list[str]:
        """Return what the jobs have noted of this kind, on whichever machine."""
        found = [path.read_text().splitlines() for path in self.folder.glob("*/effects")]
        return [line for lines in found for line in lines if line.startswith(f"{what} ")]

    def wait_for(self, sql: str, value: object) -> None:
        wait_until(lambda: self.ask(sql) == [(value,)], 60.0, lambda: f"{sql}: {self.story()}")

    def story(self) -> str:
        logs = "\n".join(path.read_text() for path in self.folder.glob("*.log"))
        return f"{self.attempts()}\n{logs}"

    def attempts(self) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT job_id, number, status, reason, worker_id FROM jobs_attempt ORDER BY 1, 2"
        )


@pytest.fixture
def cluster(tmp_path: Path, db: None) -> Iterator[Cluster]:
    if connection.vendor != "postgresql":
        pytest.skip("several machines want PostgreSQL")
    if os.geteuid() != 0:
        pytest.skip("namespaces take root")
    try:
        with machines(2) as hosts:
            yield Cluster(hosts, tmp_path)
    except Refused as error:
        pytest.skip(f"namespaces are not permitted here: {error}")


@pytest.mark.timeout(600)
def test_16_a_machine_that_is_cut_off_in_mid_job_loses_its_jobs_to_another_once(
    cluster: Cluster, tmp_path: Path, figure: Figure
) -> None:
    away, here = cluster.hosts
    cluster.dispatch(short=SHORT, long=LONG)
    cluster.start_worker(away)
    cluster.wait_for(STARTED, SHORT + LONG)
    cluster.start_worker(here)
    (first,), (second,) = cluster.ask("SELECT id FROM jobs_worker ORDER BY started_at")

    away.cut_off()
    (tmp_path / "short" / "go").touch()
    wait_until(lambda: len(cluster.effects("end")) == SHORT, LEASE / 2, "they end unheard")
    cluster.wait_for(RERUN, SHORT + LONG)
    pass_time(LEASE / 4)
    before = cluster.attempts()
    away.connect()
    cluster.wait_for(ALIVE, 2)
    pass_time(LEASE / 4)
    assert cluster.attempts() == before, "a stale outcome has changed something"

    (tmp_path / "long" / "go").touch()
    cluster.wait_for(COMPLETED, SHORT + LONG)
    lost, won = (1, "released", "worker_lost", first), (2, "completed", "", second)
    assert [one[1:] for one in cluster.attempts()] == [lost, won] * (SHORT + LONG)
    assert len(cluster.effects("start")) == 2 * (SHORT + LONG)
    assert not cluster.effects("overlap")
    figure(f"lease {LEASE} s: reruns {SHORT + LONG}/{SHORT + LONG}, stale outcomes 0, overlap 0")
