"""Commands to copy into a terminal."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..models import Job
from ..redaction import redacted
from ..registry import find

LONGEST = 2_000
"""Characters of a command that is still of use to copy."""


def dispatch_words(job: Job) -> list[str]:
    """Return the words, quoted, of the command that dispatches a job like this one.

    What is masked on the page is masked here. Empty where it would be too long.
    """
    # What is None is mostly so by default, and on a command line "null" is a text.
    given = {name: v for name, v in redacted(job.arguments).items() if v is not None}
    pairs = [f"{name}={as_word(value)}" for name, value in given.items()]
    cls = find(job.job_class)
    own = () if cls is None or callable(cls.tags) else cls.tags
    tags = [f"--tag={name}" for name in job.tags if name not in own]
    words = ["python", "manage.py", "dispatch", job.job_class, *pairs, *tags]
    quoted = [shlex.quote(word) for word in words]
    return quoted if sum(map(len, quoted)) <= LONGEST else []


def as_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
