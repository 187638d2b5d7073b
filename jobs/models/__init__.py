"""The tables. Read them freely; statuses change only through `jobs.lifecycle`."""

from .attempts import Attempt, OutputChunk
from .audit import AuditEntry
from .catalogue import CodeVersion, JobClass, Queue
from .jobs import Job
from .operations import Operation
from .rollups import ErrorRollup, Resolution, Rollup
from .saved_views import SavedView
from .tags import Tag
from .workers import Worker

__all__ = [
    "Attempt",
    "AuditEntry",
    "CodeVersion",
    "ErrorRollup",
    "Job",
    "JobClass",
    "Operation",
    "OutputChunk",
    "Queue",
    "Resolution",
    "Rollup",
    "SavedView",
    "Tag",
    "Worker",
]
