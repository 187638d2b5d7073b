"""What the two threads of a worker tell each other. Times are aware unless a name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..lifecycle.dumping import DumpRequest
from ..lifecycle.hooks import DueHook
from ..lifecycle.leasing import Identity
from ..lifecycle.output import Piece
from ..lifecycle.records import CancelRequest, Claim, Measurement, Outcome, Settled, Start
from .buffers import Echo


@dataclass(slots=True)
class Plan:
    """What this start of a worker is to do."""

    identity: Identity
    burst: bool = False
    """Leave when nothing is due any more."""
    only_job: int | None = None
    """Run this one job and leave."""
    echo: Echo | None = None
    """Is shown the output of jobs as it arrives."""


# -- loop to ledger --------------------------------------------------------------------------------


@dataclass(slots=True)
class Started:
    """A process has got an attempt."""

    start: Start
    monotonic: float


@dataclass(slots=True)
class Finished:
    """An attempt has ended. With `waits`, its process stays free until the outcome is recorded."""

    outcome: Outcome
    waits: bool = False


@dataclass(slots=True)
class Printed:
    pieces: list[Piece]


@dataclass(slots=True)
class Progressed:
    attempt_id: int
    job_id: int
    number: int
    done: int
    total: int | None
    message: str


@dataclass(slots=True)
class Measured:
    """What some of the running attempts take."""

    taken: list[Measurement]


@dataclass(slots=True)
class GivenBack:
    """Claims no process has got."""

    claims: list[Claim]


@dataclass(slots=True)
class HookRan:
    attempt_id: int
    output_bytes: int
    output_dropped: int


@dataclass(slots=True)
class Enabled:
    """Whether there are processes to run jobs: without, others would start at once what is claimed."""

    yes: bool


@dataclass(slots=True)
class Drain:
    """Claim no more."""


@dataclass(slots=True)
class Close:
    """Nothing more will be posted: write what is left and end."""


Orders = Drain | Close | Enabled
Posted = Started | Finished | Printed | Progressed | Measured | GivenBack | HookRan | Orders

# -- ledger to loop --------------------------------------------------------------------------------


@dataclass(slots=True)
class Leased:
    """The lease was renewed for `seconds`, counted from `boottime`; `now` is by the database."""

    boottime: float
    seconds: float
    now: datetime
    monotonic: float


@dataclass(slots=True)
class LeaseLost:
    """Others have taken over all this worker held."""


@dataclass(slots=True)
class Claimed:
    claims: list[Claim]


@dataclass(slots=True)
class CancelAsked:
    requests: list[CancelRequest]


@dataclass(slots=True)
class DumpAsked:
    requests: list[DumpRequest]


@dataclass(slots=True)
class Recorded:
    """What an outcome made of its job; None where it was refused."""

    attempt_id: int
    settled: Settled | None


@dataclass(slots=True)
class HooksDue:
    hooks: list[DueHook]


@dataclass(slots=True)
class NothingDue:
    """Nothing is held, and nothing was found to claim."""


@dataclass(slots=True)
class QueuesPaused:
    """No job of these queues is to be started."""

    queues: frozenset[str]


@dataclass(slots=True)
class DrainAsked:
    """Somebody wants this worker to finish what it has and leave, however long that takes."""


@dataclass(slots=True)
class LedgerCrashed:
    """The ledger met an error it cannot go on after."""

    error: str = field(default="")


News = (
    Leased
    | LeaseLost
    | Claimed
    | CancelAsked
    | DumpAsked
    | Recorded
    | HooksDue
    | NothingDue
    | QueuesPaused
    | DrainAsked
    | LedgerCrashed
)
