"""Starting a worker in this process."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress

from .. import __version__
from ..conf import conf
from ..lifecycle.leasing import Identity
from . import log
from .events import Plan
from .launching import start_launcher
from .processes import birth_mark, host_id
from .remains import end_orphans
from .supervisor import Supervisor
from .systemd import Notifier

M_MMAP_THRESHOLD, LARGE = -3, 128 * 1024
"""The option's number and its usual value, of mallopt(3) in glibc."""


def run_worker(queues: Sequence[str], concurrency: int, *, burst: bool = False) -> bool:
    """Run a worker until it is told to stop; with `burst`, until nothing is due.

    `queues` are the names it serves, all if empty. Call it where this process has one thread and no
    open connection: the launcher is then forked, else it starts as a new interpreter, which takes
    longer. Returns whether it ended in order.
    """
    notifier = Notifier()  # First: what it takes out of the environment no other process is to see.
    if orphans := end_orphans():
        log.warn("orphans_ended", pids=sorted(orphans))
    plan = Plan(identity(queues, concurrency), burst=burst)
    supervisor = Supervisor(plan, start_launcher(), notifier)
    give_memory_back()
    supervisor.run()
    return not supervisor.crashed


def give_memory_back() -> None:
    """Have this process return large blocks to the system as soon as they are freed, where libc is glibc.

    It would else take blocks of up to 32 MiB from its heap once it has freed one, and keep them: a
    worker would keep for ever what one flood of output took. Processes of jobs are not told: for those
    who compute with large arrays the heap is faster.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)


def run_one(job_id: int) -> bool:
    """Run one queued job in a worker of its own, showing its output in this terminal.

    Returns whether the worker ended in order; the job's row says what became of the job.
    """
    plan = Plan(identity((), 1), burst=True, only_job=job_id, echo=to_terminal)
    supervisor = Supervisor(plan, start_launcher())
    supervisor.run()
    return not supervisor.crashed


def identity(queues: Sequence[str], concurrency: int) -> Identity:
    """Return what tells this start of a worker from every other."""
    pid = os.getpid()
    return Identity(
        worker_id=uuid.uuid4(),
        hostname=socket.gethostname()[:255],
        host_id=host_id(),
        pid=pid,
        process_started=birth_mark(pid) or 0.0,
        queues=tuple(queues),
        concurrency=concurrency,
        version=__version__,
        code_version=conf.VERSION or "",
    )


def to_terminal(source: str, data: bytes) -> None:
    """Show output where the command was given: stdout there, everything else on stderr."""
    stream = sys.stdout if source == "out" else sys.stderr
    stream.flush()
    stream.buffer.write(data)
    stream.buffer.flush()
