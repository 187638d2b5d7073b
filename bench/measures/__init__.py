"""The measurements. Each is called once per run and returns the value of each of its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..jobs import FreshNoop, FreshQuery, Noop, Query
from ..session import Session
from .dispatching import dispatch_many, dispatch_one_by_one
from .draining import Drain
from .forking import Forks
from .idling import idle, latency, start_up
from .spinning import cpu
from .stopping import cancel, recovery

Measure = Callable[[Session], Mapping[str, float]]

# A bare fork is measured right after what is compared with it: machines change by the minute.
MEASURES: dict[str, Measure] = {
    "dispatch": dispatch_one_by_one,
    "dispatch-many": dispatch_many,
    "drain-warm-2": Drain("drain-warm-2", Noop, 2),
    "drain-warm-8": Drain("drain-warm-8", Noop, 8),
    "drain-query-2": Drain("drain-query-2", Query, 2),
    "drain-query-8": Drain("drain-query-8", Query, 8),
    "drain-fresh-2": Drain("drain-fresh-2", FreshNoop, 2),
    "fork-2": Forks("fork-2", 2),
    "drain-fresh-8": Drain("drain-fresh-8", FreshNoop, 8),
    "fork-8": Forks("fork-8", 8),
    "drain-fresh-query-2": Drain("drain-fresh-query-2", FreshQuery, 2),
    "drain-fresh-query-8": Drain("drain-fresh-query-8", FreshQuery, 8),
    "latency": latency,
    "idle": idle,
    "start-up": start_up,
    "cpu": cpu,
    "cancel": cancel,
    "recovery": recovery,
}
