"""The launcher: parent, reaper and executioner of all processes that run jobs, and their fuse.

It has the project imported, but no thread and no database connection, so that it can fork. When
the supervisor is gone, or has not renewed its lease in time, it ends every job and leaves: nothing
depends on a job's own process being awake.
"""

from __future__ import annotations

import gc
import os
import resource
import selectors
import signal
import socket
from array import array
from collections.abc import Callable
from contextlib import suppress

from django.db import connections

from ..faultpoints import reach
from . import child
from .connections import leave_to_parent
from .killing import kill_descendants, kill_tree, strangers
from .processes import become_subreaper, boottime, max_rss
from .protocol import (
    Alive,
    Channel,
    Fork,
    Forked,
    Kill,
    Killed,
    LauncherOrder,
    Lease,
    Reaped,
    launcher_orders,
)
from .remains import put_mark

FUSE = 0.75
"""Share of the lease after which, unrenewed, every job is ended."""
LEFT = 99
"""Exit code of a child that left in order, with no process of its own still there."""
DESCRIPTORS = 3
"""That come with each order to fork."""
INT = array("i").itemsize


class Launcher:
    def __init__(self, sock: socket.socket, start: Callable[[list[int]], None]) -> None:
        self.channel: Channel[LauncherOrder] = Channel(sock, launcher_orders)
        self.start = start
        self.descriptors = array("i")
        """Received, and not yet given to a child."""
        self.children: set[int] = set()
        self.expires = float("inf")
        self.is_leaving = False
        self.own: list[int] = []
        """Descriptors no child is to keep."""

    def run(self) -> None:
        """Serve the supervisor until it is gone or its lease has burnt down."""
        become_subreaper()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        wakeup, bell = socket.socketpair()
        for end in (wakeup, bell):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        with wakeup, bell, selectors.DefaultSelector() as selector:
            self.own += [self.channel.fileno(), wakeup.fileno(), bell.fileno()]
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            with suppress(EOFError):
                while True:
                    left = self.expires - boottime()
                    selector.select(min(max(left, 0.0), 60.0))
                    # A renewal may wait behind orders that took long.
                    if not self.turn(wakeup) and left <= 0:
                        break
            self.end_all()
            signal.set_wakeup_fd(-1)

    def turn(self, wakeup: socket.socket) -> bool:
        """Reap what has ended, then do what was ordered. Returns whether anything was."""
        with suppress(BlockingIOError):
            wakeup.recv(4096)
        self.reap()
        orders = self.receive()
        for order in orders:
            self.obey(order)
        return bool(orders)

    def receive(self) -> list[LauncherOrder]:
        # Not socket.recv_fds: in Python 3.11 it drops its flags, and so would wait.
        room = socket.CMSG_LEN(64 * DESCRIPTORS * INT)
        try:
            data, ancillary, _, _ = self.channel.socket.recvmsg(1 << 16, room, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            raise EOFError from None
        if not data:
            raise EOFError
        for _, _, content in ancillary:
            self.descriptors.frombytes(content[: len(content) // INT * INT])
        return self.channel.parse(data)

    def obey(self, order: LauncherOrder) -> None:
        if isinstance(order, Fork):
            fds = list(self.descriptors[:DESCRIPTORS])
            del self.descriptors[:DESCRIPTORS]
            self.fork(order.ticket, fds)
        elif isinstance(order, Lease):
            self.expires = order.until
            self.end_strangers()
            self.channel.send(Alive())
        elif isinstance(order, Kill):
            self.kill(order.pid)
        elif order.pid in self.children:
            os.kill(order.pid, order.number)

    def fork(self, ticket: int, fds: list[int]) -> None:
        pid, error = 0, ""
        try:
            pid = os.fork()
        except OSError as failure:  # No memory, or no more processes allowed.
            error = str(failure)
        if pid == 0 and not error:
            self._become_child(fds)
        if pid:
            self.children.add(pid)
            reach("after_fork")
        for fd in fds:
            os.close(fd)
        self.channel.send(Forked(ticket, pid, error))

    def _become_child(self, fds: list[int]) -> None:
        """Leave everything of the launcher behind; never returns."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            for fd in (*self.own, *self.descriptors):
                os.close(fd)
            leave_to_parent()
            self.start(fds)
            code = LEFT
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def kill(self, pid: int) -> None:
        """End a child and all below it; also answers where it is gone already: that is waited for."""
        found, survivors = kill_tree(pid, self.reap) if pid in self.children else (set(), set())
        self.channel.send(Killed(pid, sorted(found), sorted(survivors)))

    def reap(self) -> None:
        """Collect every dead child and report those that ran jobs."""
        died = False
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self.children:
                self.children.discard(pid)
                self.report(pid, status, usage)
                died = died or os.waitstatus_to_exitcode(status) != LEFT
        if died:
            self.end_strangers()

    def end_strangers(self) -> None:
        """End what dead children have left behind: a subreaper inherits it."""
        for orphan in strangers(self.children):
            kill_tree(orphan, lambda: None, within=0.0)

    def report(self, pid: int, status: int, usage: resource.struct_rusage) -> None:
        cpu = usage.ru_utime + usage.ru_stime
        if self.is_leaving:
            return
        reach("before_reaped")
        with suppress(EOFError):  # `run` notices it next, and ends the rest.
            self.channel.send(Reaped(pid, status, cpu, max_rss(usage.ru_maxrss)))

    def end_all(self) -> None:
        """End every job, and report nothing of it: these deaths are not the jobs' own."""
        self.is_leaving = True
        kill_descendants(self.reap)


def main(sock: socket.socket) -> None:
    """Run a launcher on its end of a socket pair; returns when it has ended every job."""
    from ..conf import conf

    os.setsid()  # Who kills a supervisor with its process group leaves the fuse alone.
    put_mark(os.getppid())  # Before the template looks how jobs are to leave their process.
    start = child.Template().start if conf.START_METHOD == "fork" else child.start_executed
    # Setting up the project may have opened some: children would all speak into the same session.
    connections.close_all()
    gc.freeze()  # Collections in children would otherwise touch, and so copy, all that is shared.
    with sock:
        Launcher(sock, start).run()
