"""Found by every worker of the tests: the job classes they run."""

from . import sample_jobs
from .faults import fault_jobs, value_jobs
from .worker import stubborn_jobs, watched_jobs

__all__ = ["fault_jobs", "sample_jobs", "stubborn_jobs", "value_jobs", "watched_jobs"]
