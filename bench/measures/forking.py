"""What a new process per job costs at the least: the bare fork of a warm Django process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from ..session import ROOT, Session


@dataclass
class Forks:
    """Forks and reaps processes that leave at once, so many at a time."""

    name: str
    at_a_time: int

    def __call__(self, session: Session) -> dict[str, float]:
        seconds = 0.5 if session.quick else 4.0
        command = [sys.executable, "-m", "bench.forks", str(self.at_a_time), str(seconds)]
        done = subprocess.run(
            command, cwd=ROOT, env=session.environment(), capture_output=True, text=True, check=True
        )
        return {self.name: float(done.stdout)}
