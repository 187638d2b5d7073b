"""Background jobs for Django, each in a process of its own."""

from .exceptions import JobCancelled, JobTimeout
from .job import BackgroundJob

__all__ = ["BackgroundJob", "JobCancelled", "JobTimeout"]
__version__ = "0.1.0"
