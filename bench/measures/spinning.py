"""Jobs that keep the processors busy: what the worker takes of them for itself."""

from __future__ import annotations

from ..effects import END, span
from ..jobs import Spins
from ..session import Session


def cpu(session: Session) -> dict[str, float]:
    """16 jobs of one second of CPU time at concurrency 2: from the first start to the last end."""
    count = 2 if session.quick else 16
    session.start_anew()
    Spins.dispatch_many(Spins(number=number) for number in range(count))
    with session.worker(2):
        session.wait_for(2 * count)
    starts = range(count)
    effects = session.effects.exactly([*starts, *(number + END for number in starts)])
    return {"cpu": span(effects) * 16 / count}
