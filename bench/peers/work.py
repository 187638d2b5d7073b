"""What the jobs of every peer do: the same as ours."""

from __future__ import annotations

from ..effects import record


def noop(number: int) -> None:
    record(number)
