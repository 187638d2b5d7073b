"""Having a running attempt write its stacks into its own output, as C code and without disturbing it."""

from __future__ import annotations

from ..lifecycle.dumping import DumpRequest
from .pool import Pool
from .processes import DUMP_SIGNAL, catches
from .protocol import Signal


def dump(pool: Pool, request: DumpRequest) -> None:
    """Signal the process of an attempt; one that has ended since is left alone.

    The handler, `faulthandler`'s, is C: it also writes while the job holds the interpreter's lock. A
    job that has taken the handler away, or has become another program, would be ended by the signal
    and so does not get it.
    """
    child = pool.by_attempt(request.attempt_id)
    if child is None or child.current is None or child.killing:
        return
    by = f", asked for by {request.by}" if request.by else ""
    if catches(child.pid, DUMP_SIGNAL):
        child.current.output.add("info", f"The stacks of all threads{by}:\n".encode())
        pool.order(Signal(child.pid, DUMP_SIGNAL))
    else:
        why = f"the job has removed the handler of signal {DUMP_SIGNAL}"
        child.current.output.add("warning", f"No stacks{by}: {why}.\n".encode())
