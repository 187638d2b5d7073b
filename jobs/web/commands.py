"""Commands to copy into a terminal."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..models import Job
from .redaction import redacted

LONGEST = 2_000
"""Characters of a command that is still of use to copy."""


def dispatch_line(job: Job) -> str:
    """Return the command that dispatches a job of the same class with the same arguments.

    What is masked on the page is masked here. Empty where it would be too long.
    """
    # What is None is mostly so by default, and on a command line "null" is a text.
    given = {name: v for name, v in redacted(job.arguments).items() if v is not None}
    pairs = [f"{name}={as_word(value)}" for name, value in given.items()]
    line = shlex.join(["python", "manage.py", "dispatch", job.job_class, *pairs])
    return line if len(line) <= LONGEST else ""


def as_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
