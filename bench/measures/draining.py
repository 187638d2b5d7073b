"""How fast a worker gets through jobs that were there before it started."""

from __future__ import annotations

import time
from dataclasses import dataclass

from jobs.models import Job
from jobs.states import FINAL, JobStatus

from ..effects import LostOrTwice, span
from ..jobs import Noop, Query
from ..session import Session
from ..waiting import until

PILOT, LONGEST = 300, 100_000
"""Jobs of the first look at the speed, and the most a run has."""


@dataclass
class Drain:
    """Drains jobs of one class; a pilot chooses so many that a run takes about six seconds."""

    name: str
    job_class: type[Noop] | type[Query]
    concurrency: int
    jobs: int = 0

    def __call__(self, session: Session) -> dict[str, float]:
        if not self.jobs:
            self.jobs = self._pilot(session)
        started, recorded = self._run(session, self.jobs)
        return {self.name: started, f"{self.name}-recorded": recorded}

    def _pilot(self, session: Session) -> int:
        """Return how many jobs a run shall have, from one run of few jobs and one of a second."""
        rate, _ = self._run(session, PILOT)
        if not session.quick and rate > PILOT:
            rate, _ = self._run(session, min(int(rate), LONGEST))
        return max(min(int(rate * (1.0 if session.quick else 6.5)), LONGEST), PILOT)

    def _run(self, session: Session, count: int) -> tuple[float, float]:
        """Return jobs per second by their starts, and by when the last was recorded."""
        session.start_anew()
        made = [self.job_class(number=number) for number in range(count)]
        self.job_class.dispatch_many(made)  # type: ignore[arg-type]
        with session.worker(self.concurrency):
            session.wait_for(count)
            until(_is_drained, 60.0, "completed in the table", interval=0.02)
            recorded_at = time.monotonic()
        effects = session.effects.exactly(range(count))
        completed = Job.objects.filter(status=JobStatus.COMPLETED).count()
        if completed != count:
            raise LostOrTwice(f"{completed} of {count} jobs are completed in the table")
        first = min(effect.at for effect in effects)
        return (count - 1) / span(effects), count / (recorded_at - first)


def _is_drained() -> bool:
    return not Job.objects.filter(status__in=sorted(set(JobStatus) - FINAL)).exists()
