"""The tables. Read them freely; statuses change only through `jobs.lifecycle`."""

from .attempts import Attempt, OutputChunk
from .audit import AuditEntry
from .catalogue import JobClass, Queue
from .jobs import Job
from .operations import Operation
from .rollups import ErrorRollup, Resolution, Rollup
from .workers import Worker

__all__ = [
    "Attempt",
    "AuditEntry",
    "ErrorRollup",
    "Job",
    "JobClass",
    "Operation",
    "OutputChunk",
    "Queue",
    "Resolution",
    "Rollup",
    "Worker",
]
