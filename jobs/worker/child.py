"""The process that runs jobs, one at a time, until it is told to leave or is no longer clean."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket

from django.db import connections

from ..arguments import fields_of
from ..registry import all_classes
from .capture import capture, prepare_logging, standard_streams
from .connections import without_pools
from .interpreter import new_interpreter
from .processes import DUMP_SIGNAL, become_subreaper, die_with_parent, prefer_for_oom_killer
from .protocol import Leave, Ready, Run, RunHook
from .rehearsing import rehearse
from .reporting import ReportingChannel
from .runner import Runner


class Template:
    """All that children have in common, made before they are forked.

    A page that a child writes to has to be copied first, and doing anything writes to some: what is
    done here saved a fifth of the CPU time of a job in a new process.
    """

    def __init__(self) -> None:
        without_pools()
        prepare_logging()
        faulthandler.enable(file=2)
        faulthandler.register(DUMP_SIGNAL, file=2)
        self.streams = standard_streams()
        self.runner = Runner()
        for job_class in all_classes().values():
            fields_of(job_class).prepare()
        rehearse(self.runner)

    def start(self, fds: list[int]) -> None:
        """Be a child on its channel, stdout and stderr; returns when there is nothing more to do."""
        channel_fd, out, err = fds
        os.setsid()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        for fd, standard in ((null, 0), (out, 1), (err, 2)):
            os.dup2(fd, standard)
            os.close(fd)
        become_subreaper()
        die_with_parent()
        prefer_for_oom_killer()
        channel = ReportingChannel(socket.socket(fileno=channel_fd))
        capture(channel, self.streams)
        self.runner.channel = channel
        signal.signal(signal.SIGTERM, self.runner.on_terminate)
        serve(channel, self.runner)


def start_executed(fds: list[int]) -> None:
    """Be a child in a new interpreter; does not return."""
    for fd in fds:
        os.set_inheritable(fd, True)
    command, environment = new_interpreter("child", *fds)
    os.execve(command[0], command, environment)


def serve(channel: ReportingChannel, runner: Runner) -> None:
    """Run what the supervisor sends, until it is gone or this process is to go."""
    channel.send(Ready(os.getpid()))
    try:
        while True:
            for order in (orders := channel.receive()):
                if isinstance(order, Run):
                    if runner.run(order, orders):
                        return
                elif isinstance(order, RunHook):
                    runner.run_hook(order)
                elif isinstance(order, Leave):
                    return
    except EOFError:
        pass
    finally:
        connections.close_all()
