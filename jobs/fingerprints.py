"""Which errors are alike: the same class, the same exception, and messages that say the same.

Messages are compared without what differs from one time to the next: numbers, quoted values,
addresses, ids and paths become "…".
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

LONGEST_READ = 1000
"""Characters of a message that are looked at."""
LONGEST_KEPT = 200
DIGITS = 24
"""Of a fingerprint."""
DOTS = "…"

_varying = re.compile(
    r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`"  # What is quoted.
    r"|\b\w+://[^\s<>]+"  # Addresses.
    r"|(?<![\w.])(?:~|\.{1,2})?(?:/[\w.@+-]+)+/?"  # Paths.
    r"|\b0[xX][0-9a-fA-F]+\b"
    r"|\b(?=[a-fA-F-]*\d)[0-9a-fA-F][0-9a-fA-F-]{6,}[0-9a-fA-F]\b"  # Digests and UUIDs.
    r"|\d+(?:[.,:]\d+)*"
)


class Likeness(NamedTuple):
    """What errors of one group have in common."""

    job_class: str
    error_type: str
    message: str

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits, the same wherever the three are."""
        # NUL ends no name and no message, so the three cannot be mistaken for other three.
        return blake2b("\0".join(self).encode(), digest_size=DIGITS // 2).hexdigest()


def likeness(job_class: str, error_type: str, message: str) -> Likeness:
    """Return the group that an error belongs to."""
    return Likeness(job_class, error_type, normalised(message))


def others(job_class: str) -> Likeness:
    """Return the group of a class for all that is beyond its number of groups."""
    return Likeness(job_class, "", "")


def normalised(message: str) -> str:
    """Return the first line of a message without what varies in it, cut to what is kept."""
    lines = message[:LONGEST_READ].strip().splitlines()
    text = _varying.sub(DOTS, lines[0] if lines else "")
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_KEPT else text[: LONGEST_KEPT - 1] + DOTS
