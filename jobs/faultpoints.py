"""Named places where tests have a process killed. Outside of tests nothing can happen at any of them.

Armed by two things together, read once: the setting JOBS_FAULT_POINTS of the tests' own settings,
and the variable JOBS_FAULT_POINT, a name and at which passing to strike: `after_claim:2`. The file
that JOBS_FAULT_ONCE names is created first; where it exists already, nobody is killed any more.
JOBS_FAULT_SIGNAL, a number, is sent in place of SIGKILL.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from django.conf import settings

POINTS = (
    *("before_claim", "after_claim", "after_claim_commit"),
    *("after_handover", "before_start_commit"),
    *("with_outcomes", "before_outcome", "before_outcome_commit", "after_outcome_commit"),
    *("before_beat", "in_tick", "after_promote"),
    *("before_rescue", "during_rescue", "after_rescue"),
    *("after_fork", "child_ready", "before_reaped"),
    *("before_handle", "after_handle", "after_done"),
)
"""In the order in which a job passes most of them: ledger, loop, launcher, child."""

_chosen, _, _nth = os.environ.get("JOBS_FAULT_POINT", "").partition(":")
_armed = bool(_chosen) and getattr(settings, "JOBS_FAULT_POINTS", False)
_left = int(_nth or 1)
_signal = int(os.environ.get("JOBS_FAULT_SIGNAL") or signal.SIGKILL)

if _armed:

    def reach(name: str) -> None:
        """Pass a point; kill this process if it is the chosen one and its time has come."""
        global _left
        if name != _chosen:
            return
        _left -= 1
        if _left <= 0:
            with suppress(FileExistsError):
                os.close(os.open(os.environ["JOBS_FAULT_ONCE"], os.O_CREAT | os.O_EXCL))
                # To this thread: one that is sent to the process may stop it when this is further on.
                signal.raise_signal(_signal)

else:

    def reach(name: str) -> None:
        """Pass a point."""
