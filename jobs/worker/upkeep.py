"""What keeps the tables small: merging statistics, and deleting what has been kept for long enough."""

from __future__ import annotations

import time

from django.db import IntegrityError

from ..lifecycle import errors, retention, rollups
from ..lifecycle.engines import Engine
from ..lifecycle.retention import Retention
from .log import warn

PAUSE = 60.0
"""Seconds between two looks while nothing is left to do."""
AFTER_A_REFUSAL = 3600.0
SHARE = 0.2
"""Part of the ledger's time that may go into a backlog."""


def upkeep(engine: Engine) -> float:
    """Do a little of what is to be done. Returns the seconds to leave the rest alone."""
    began = time.monotonic()
    try:
        deleted = retention.prune(engine, Retention.of_settings())
    except IntegrityError as error:
        # Perhaps a model of the project refers to a job and protects it.
        warn("jobs_not_pruned", error=error)
        return AFTER_A_REFUSAL
    merged = rollups.merge(engine) + errors.merge(engine)
    if merged >= rollups.MERGED_AT_ONCE or retention.PRUNED_AT_ONCE in deleted.values():
        return (time.monotonic() - began) * (1 / SHARE - 1)
    retention.prune_workers(engine)
    return PAUSE
