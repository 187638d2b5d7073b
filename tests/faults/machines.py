"""Several machines on one: network and process namespaces, joined to this one by cables of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from jobs.worker.processes import children

from ..prepared import Process
from ..waiting import DEADLINE, wait_until
from ..worker.conftest import ROOT, WorkerProcess


class Machine:
    """A host with its own network and its own pids. `server` is where it finds this machine."""

    def __init__(self, number: int) -> None:
        # Of this process alone: other runs of the tests may have machines as well.
        pid, self.name = os.getpid(), f"jobs{os.getpid()}m{number}"
        net = f"10.{100 + pid // 256 % 100}.{pid % 256}"
        self.server, self.address = f"{net}.{number * 4 + 1}", f"{net}.{number * 4 + 2}"
        self.cable, self.end = f"jm{number}x{pid}", f"jm{number}y{pid}"
        self.processes: list[Process] = []

    def build(self) -> None:
        run("netns", "add", self.name)
        run("link", "add", self.cable, "type", "veth", "peer", "name", self.end)
        run("link", "set", self.end, "netns", self.name)
        run("addr", "add", f"{self.server}/30", "dev", self.cable)
        run("-n", self.name, "addr", "add", f"{self.address}/30", "dev", self.end)
        run("-n", self.name, "link", "set", self.end, "up")
        run("-n", self.name, "link", "set", "lo", "up")
        self.connect()

    def connect(self) -> None:
        run("link", "set", self.cable, "up")

    def cut_off(self) -> None:
        run("link", "set", self.cable, "down")

    def switch_off(self) -> None:
        """End all processes of this machine at once: they go with its first one."""
        for process in self.processes:
            process.kill()
            process.wait()

    def names(self) -> list[str]:
        """Return what runs on this machine, by name."""
        below = [psutil.Process(one.pid).children(recursive=True) for one in self.processes]
        return [one.name() for found in below for one in found]

    def start_worker(self, environ: dict[str, str], log: Path, *arguments: str) -> Guest:
        """Start `runworker` as the first process of this machine."""
        inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        command = [sys.executable, "-W", "error", "manage.py", "runworker", *arguments]
        found = Guest([*IP, "netns", "exec", self.name, *inside, *command], environ, log)
        self.processes.append(found.process)
        return found

    def tear_down(self) -> None:
        self.switch_off()
        for what in (["link", "del", self.cable], ["netns", "del", self.name]):
            subprocess.run([*IP, *what], capture_output=True)


class Guest(WorkerProcess):
    """A worker of a machine. `process` is what holds its namespaces, `pid` the supervisor as seen from here."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.log, self.may_fail = log, False
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        (self.pid,) = wait_until(lambda: children(self.process.pid), DEADLINE, self.output)


IP = [shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin") or "ip"]


def run(*arguments: str) -> None:
    """Run `ip`. Raises Refused with its words where this machine does not permit it."""
    try:
        subprocess.run([*IP, *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused("iproute2 is not installed here") from None
    except subprocess.CalledProcessError as error:
        raise Refused(f"ip {' '.join(arguments[:2])}: {error.stderr.strip()}") from None


class Refused(Exception):
    """This machine does not let us have others."""


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Build machines; they are gone afterwards. Raises Refused."""
    built = [Machine(number) for number in range(count)]
    try:
        for machine in built:
            machine.build()
        yield built
    finally:
        for machine in built:
            machine.tear_down()
