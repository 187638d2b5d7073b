"""Processes of a worker that are started as new interpreters: `python -m jobs.worker launcher FD`."""

from __future__ import annotations

import socket
import sys

import django


def main(role: str, *fds: str) -> None:
    django.setup()
    from . import child, launcher

    if role == "launcher":
        launcher.main(socket.socket(fileno=int(fds[0])))
    else:
        child.Template().start([int(fd) for fd in fds])


if __name__ == "__main__":
    main(*sys.argv[1:])
