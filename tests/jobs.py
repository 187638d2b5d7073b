"""Found by every worker of the tests: the job classes they run."""

from . import sample_jobs, unruly_jobs
from .faults import fault_jobs, value_jobs
from .worker import forging_jobs, schedule_jobs, stubborn_jobs, watched_jobs

__all__ = [
    "fault_jobs",
    "forging_jobs",
    "sample_jobs",
    "schedule_jobs",
    "stubborn_jobs",
    "unruly_jobs",
    "value_jobs",
    "watched_jobs",
]
