"""Job ids as people type them, and the sentences that say what is wrong with one."""

from __future__ import annotations

from django.core.management.base import CommandError

from ..models import Job

LARGEST = 2**63 - 1


def find_job(text: str) -> Job:
    """Return the job with the id `text`. Raises CommandError where there is none."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:20]) <= LARGEST:
        raise CommandError(f"{text!r} is not a job id: give a whole number such as 42")
    try:
        return Job.objects.get(pk=int(text))
    except Job.DoesNotExist:
        raise CommandError(f"there is no job {text}") from None
