"""The process that runs jobs, one at a time, until it is told to leave or is no longer clean."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import socket
import sys

from django.db import connections

from .capture import capture
from .connections import without_pools
from .processes import DUMP_SIGNAL, become_subreaper, die_with_parent, prefer_for_oom_killer
from .protocol import Leave, Ready, Run, RunHook
from .reporting import ReportingChannel
from .runner import Runner


def start_forked(fds: list[int]) -> None:
    """Be a child on its channel, stdout and stderr; returns when there is nothing more to do."""
    channel_fd, out, err = fds
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, standard in ((null, 0), (out, 1), (err, 2)):
        os.dup2(fd, standard)
        os.close(fd)
    become_subreaper()
    die_with_parent()
    prefer_for_oom_killer()
    faulthandler.enable(file=2)
    faulthandler.register(DUMP_SIGNAL, file=2)
    random.seed()
    serve(ReportingChannel(socket.socket(fileno=channel_fd)))


def start_executed(fds: list[int]) -> None:
    """Be a child in a new interpreter; does not return."""
    for fd in fds:
        os.set_inheritable(fd, True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    package = __package__ or ""
    command = [sys.executable, "-m", package, "child", *map(str, fds)]
    os.execve(sys.executable, command, environment)


def serve(channel: ReportingChannel) -> None:
    """Run what the supervisor sends, until it is gone."""
    without_pools()
    capture(channel)
    runner = Runner(channel)
    signal.signal(signal.SIGTERM, runner.on_terminate)
    channel.send(Ready(os.getpid()))
    try:
        while True:
            for order in channel.receive():
                if isinstance(order, Run):
                    runner.run(order)
                elif isinstance(order, RunHook):
                    runner.run_hook(order)
                elif isinstance(order, Leave):
                    return
    except EOFError:
        pass
    finally:
        connections.close_all()
