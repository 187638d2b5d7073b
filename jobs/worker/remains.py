"""What a dead or frozen worker has left on its host: found by name, and ended before its jobs run again.

A launcher holds a socket in Linux's abstract namespace, named after its supervisor. Whoever can
connect to it learns from the kernel which process holds it, asleep or awake; the name goes with its
process. No file has to be kept, and where there are no such sockets nothing is found.
"""

from __future__ import annotations

import os
import socket
import struct

from .processes import LINUX, birth_mark, kill_tree

CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid, as in unix(7)."""
ASKERS = 100
"""How often a holder may be asked: it never accepts, it only shows who it is."""
UNKNOWN = 0


def hold_name(host_id: str, supervisor: int) -> socket.socket | None:
    """Take the name of the launcher of `supervisor`, until the socket is closed; None if there is none."""
    mark = birth_mark(supervisor)
    if not LINUX or mark is None:
        return None
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(_name(host_id, supervisor, mark))
        held.listen(ASKERS)
    except OSError:  # Another one's; then only the lease protects what it left.
        held.close()
        return None
    return held


def end_remains(host_id: str, supervisor: int, mark: float) -> bool:
    """End the launcher of a supervisor of this host, and every job below it.

    The supervisor is named by pid and birth mark; it need not live. Returns whether nothing is
    known to be left.
    """
    name = _name(host_id, supervisor, mark)
    pid = _holder(name)
    if pid:
        kill_tree(pid, lambda: None)
        pid = _holder(name)
    return pid is None


def _name(host_id: str, supervisor: int, mark: float) -> str:
    return f"\0jobs {host_id} {supervisor} {mark:.0f}"


def _holder(name: str) -> int | None:
    """Return the process that holds a name: None for nobody, UNKNOWN where it is another user's."""
    if not LINUX:
        return None
    with socket.socket(socket.AF_UNIX) as asking:
        asking.setblocking(False)  # Nobody accepts: a queue that is full would wait for ever.
        try:
            asking.connect(name)
        except BlockingIOError:
            return UNKNOWN
        except OSError:
            return None
        found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, _ = CREDENTIALS.unpack(found)
    return pid if uid == os.geteuid() else UNKNOWN
