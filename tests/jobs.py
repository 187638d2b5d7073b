"""Found by every worker of the tests: the job classes they run."""

from . import sample_jobs
from .worker import stubborn_jobs

__all__ = ["sample_jobs", "stubborn_jobs"]
