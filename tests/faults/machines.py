"""Several machines on one: network and process namespaces, joined to this one by cables of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..worker.conftest import ROOT


class Machine:
    """A host with its own network and its own pids. `server` is where it finds this machine."""

    def __init__(self, number: int) -> None:
        # Of this process alone: other runs of the tests may have machines as well.
        pid, self.name = os.getpid(), f"jobs{os.getpid()}m{number}"
        net = f"10.{100 + pid // 256 % 100}.{pid % 256}"
        self.server, self.address = f"{net}.{number * 4 + 1}", f"{net}.{number * 4 + 2}"
        self.cable, self.end = f"jm{number}x{pid}", f"jm{number}y{pid}"
        self.processes: list[subprocess.Popen[bytes]] = []

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

    def start_worker(self, environ: dict[str, str], log: Path, *arguments: str) -> None:
        """Start `runworker` as the first process of this machine."""
        inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        command = [sys.executable, "-W", "error", "manage.py", "runworker", *arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*IP, "netns", "exec", self.name, *inside, *command],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)

    def tear_down(self) -> None:
        for process in self.processes:
            process.kill()  # With the first process of a machine go all of its processes.
            process.wait()
        for what in (["link", "del", self.cable], ["netns", "del", self.name]):
            subprocess.run([*IP, *what], capture_output=True)


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
