"""Starting `manage.py` commands as copies of a process that has imported the project already.

Importing it takes longer than most of what a test then has a command do. A copy is a process of its
own, and goes the way of `manage.py` from where that has read the settings: no thread runs, and no
connection is open. It has its own variables of the jobs' settings, which are read when they are needed;
where any other one is not as usual, a new interpreter is started. A test that is about just that sets one.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from .waiting import DEADLINE, wait_until

ROOT = Path(__file__).parents[1]
INTERPRETER = [sys.executable, "-W", "error"]
READ_LATE = ("BACKGROUND_JOB_", "FAULT_SCENE", "PYTEST_CURRENT_TEST")
"""Beginnings of the variables that nothing reads while the project is imported."""


def start(
    command: Sequence[str], env: Mapping[str, str], log: Path, usual: Mapping[str, str]
) -> Process:
    """Start a command with this environment that writes to `log`: a copy, if all is as in `usual`."""
    if (early := _read_early(env)) == _read_early(usual):
        return _template_of(early).copy(command, env, log)
    return start_anew(command, env, log)


def start_anew(
    command: Sequence[str], env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a command as a user would, with an interpreter of its own."""
    with log.open("wb") as file:
        return subprocess.Popen(
            [*INTERPRETER, "manage.py", *command],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def _read_early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith(READ_LATE)}


class Template:
    """The process to copy. It is the parent of all copies, and ends with this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [*INTERPRETER, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                env=env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        self.socket = ours
        self.answers = ours.makefile("rb")
        self.lock = Lock()

    def ask(self, **order: object) -> Any:
        with self.lock:
            self.socket.sendall(json.dumps(order).encode() + b"\n")
            return json.loads(self.answers.readline())

    def copy(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> Copy:
        log.write_bytes(b"")  # Who looks at once finds it, and not one of before.
        args = ["manage.py", *command]
        return Copy(self, args, self.ask(args=args, env=dict(env), log=str(log)))

    def close(self) -> None:
        self.answers.close()
        self.socket.close()
        self.process.wait()


class Copy:
    """What `subprocess.Popen` offers of a process, as far as tests use it."""

    def __init__(self, template: Template, args: list[str], pid: int) -> None:
        self.template = template
        self.args = args
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self.template.ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout: float = DEADLINE) -> int:
        wait_until(lambda: self.poll() is not None, timeout, f"{self.args} has not ended")
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # Until it is asked for, nobody else gets its pid.
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = Copy | subprocess.Popen[bytes]
_templates: dict[frozenset[tuple[str, str]], Template] = {}


def _template_of(env: Mapping[str, str]) -> Template:
    key = frozenset(env.items())
    if key not in _templates:
        _templates[key] = Template(env)
        atexit.register(_templates[key].close)
    return _templates[key]


# -- in the process that is copied -----------------------------------------------------------------


def serve(orders: socket.socket) -> list[str]:
    """Do what is ordered until nobody is there to order. Returns only in a copy: what it is to do."""
    with orders, orders.makefile("rb") as lines:
        for line in lines:
            order = json.loads(line)
            if "ended" in order:
                answer = exit_code(order["ended"])
            elif not (answer := os.fork()):
                break
            orders.sendall(json.dumps(answer).encode() + b"\n")
        else:
            sys.exit()
    become(order["env"], Path(order["log"]))
    return list(order["args"])


def exit_code(pid: int) -> int | None:
    """Return with what a copy has ended, once; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def become(env: Mapping[str, str], log: Path) -> None:
    """Have this process all that one has which was started with this environment."""
    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(env)
    file = os.open(log, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)


if __name__ == "__main__":
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    execute_from_command_line(sys.argv)
