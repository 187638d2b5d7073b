"""Any order of what workers, people and clocks do, against a small model, on the real database."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jobs.lifecycle import changing, claiming, dispatching, finishing, leasing, retention
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.records import Claim, Start
from jobs.lifecycle.retention import Retention
from jobs.models import Attempt, Job, Worker
from jobs.states import FINAL, LIVE_WORKERS, WAITING, AttemptStatus, JobStatus, Reason

from ..lifecycle.acting import outcome, spec
from . import witness
from .invariants import one_outcome_per_attempt
from .model import COLUMNS, MAX_INTERRUPTIONS, Model, as_row, guilty
from .scale import SCALE

WORKERS, LEASE, LATER, STEP = 3, 60.0, 1000.0, 2000.0
OUTCOMES: list[tuple[str, str, float]] = [
    (AttemptStatus.COMPLETED, Reason.NONE, 0.0),
    (AttemptStatus.FAILED, Reason.EXCEPTION, 0.0),
    (AttemptStatus.FAILED, Reason.EXCEPTION, LATER),
    (AttemptStatus.FAILED, Reason.LAUNCHER_LOST, 0.0),
    (AttemptStatus.RELEASED, Reason.SHUTDOWN, 0.0),
    (AttemptStatus.RELEASED, Reason.POSTPONED, LATER),
    (AttemptStatus.CANCELLED, Reason.CANCELLED, 0.0),
]
somebody = st.integers(0, WORKERS - 1)
any_job = st.integers(0, 9)


class Lifecycle(RuleBasedStateMachine):
    """Each rule does one thing to the database and to the model; then the two must be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = engine_for()
        self.queue = uuid4().hex
        self.jobs: dict[int, Model] = {}
        self.workers: list[UUID] = []
        self.lost: set[UUID] = set()
        self.frozen: set[UUID] = set()
        self.tokens: list[tuple[int, Claim]] = []
        """Whatever was ever claimed, and by which worker; most of them are stale."""
        for _ in range(WORKERS):
            self.workers.append(self.boot())
            self.dispatch(2, None)

    def boot(self) -> UUID:
        identity = leasing.Identity(uuid4(), "host", "boot", 1, 1.0, (self.queue,), 1, "0")
        leasing.register(self.engine, identity, LEASE)
        return identity.worker_id

    def teardown(self) -> None:
        one_outcome_per_attempt()
        assert not witness.seen(), "attempts were changed after their end"
        for rows in (Attempt.objects.filter(job_id__in=self.jobs), Job.objects, Worker.objects):
            rows.all().delete()

    def pick(self, number: int, *statuses: str) -> tuple[int, Model] | None:
        """Return one of the jobs, of those statuses if any is named; None where there is none."""
        found = [one for one in self.jobs.items() if not statuses or one[1].status in statuses]
        return found[number % len(found)] if found else None

    # -- people ------------------------------------------------------------------------------------

    @rule(budget=st.integers(1, 3), delay=st.sampled_from([None, LATER]))
    def dispatch(self, budget: int, delay: float | None) -> None:
        [job] = dispatching.dispatch([spec(queue=self.queue, delay=delay, max_attempts=budget)])
        model = Model(budget, delay or 0.0)
        model.status = JobStatus.SCHEDULED if delay else JobStatus.QUEUED
        self.jobs[job.pk] = model

    @rule(number=any_job)
    def cancel(self, number: int) -> None:
        if found := self.pick(number):
            assert changing.cancel(found[0]) == found[1].cancel()

    @rule(number=any_job)
    def retry(self, number: int) -> None:
        if found := self.pick(number):
            assert changing.retry(found[0]) == found[1].retry()

    @rule(number=any_job)
    def prune(self, number: int) -> None:
        if found := self.pick(number, *FINAL):
            Job.objects.filter(pk=found[0]).update(finished_at=F("finished_at") - 100 * DAY)
            assert retention.prune(self.engine, Retention(14, 90)).total() == 1
            del self.jobs[found[0]]

    # -- workers -----------------------------------------------------------------------------------

    @rule(by=somebody, wanted=st.integers(1, 3))
    def claim(self, by: int, wanted: int) -> None:
        if self.workers[by] in self.frozen:
            return
        claims = claiming.claim(self.engine, self.workers[by], [self.queue], wanted)
        queued = [pk for pk, one in self.jobs.items() if one.status == JobStatus.QUEUED]
        may = self.workers[by] not in self.lost
        put_off = Job.objects.filter(pk__in=queued, status=JobStatus.SCHEDULED)
        surplus = [self.jobs[pk] for pk in put_off.values_list("pk", flat=True)]
        assert len(claims) + len(surplus) == (min(wanted, len(queued)) if may else 0)
        for one in claims:
            assert one.job_id in queued
            self.jobs[one.job_id].claim(by)
            self.tokens.append((by, one))
        suspects = [job for job in self.jobs.values() if job.worker == by and job.losses >= 2]
        assert len(suspects) <= 1
        for job in surplus:
            assert job.losses >= 2
            assert suspects
            job.status, job.due = JobStatus.SCHEDULED, LATER

    def holds(self, by: int, one: Claim) -> Model | None:
        """Return the job of a token that is good, for this worker; None for a stale one."""
        job = self.jobs.get(one.job_id)
        good = job and Attempt.objects.filter(id=one.attempt_id, number=job.made).exists()
        return job if good and job and job.worker == by else None

    def draw(self, data: st.DataObject) -> tuple[int, Claim] | None:
        """Return a worker and a token: mostly its own and good, else any with any.

        None where there is none, or where that worker is frozen.
        """
        usable = [token for token in self.tokens if self.holds(*token)]
        mostly = data.draw(st.integers(0, 5))
        if not self.tokens:
            return None
        by, one = data.draw(st.sampled_from(usable if usable and mostly else self.tokens))
        if mostly < 2:
            by = data.draw(somebody)
        return None if self.workers[by] in self.frozen else (by, one)

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        if drawn := self.draw(data):
            by, one = drawn
            start = Start(one.attempt_id, one.job_id, self.engine.now(), 4711)
            recorded = finishing.record_starts(self.engine, self.workers[by], [start])
            job = self.holds(by, one)
            assert recorded == ({one.attempt_id} if job else set())
            if job:
                job.started = True

    @rule(data=st.data(), how=st.sampled_from(OUTCOMES))
    def finish(self, data: st.DataObject, how: tuple[str, str, float]) -> None:
        if drawn := self.draw(data):
            (by, one), (status, reason, delay) = drawn, how
            end = outcome(one, status, reason=Reason(reason), delay=delay)
            [settled] = finishing.finish(self.engine, self.workers[by], [end])
            job = self.holds(by, one)
            assert (settled is not None) == (job is not None)
            if job:
                job.started = True  # The outcome says when.
                job.end(status, reason, delay, guilty([job] if job.ran_when_lost(reason) else []))

    @rule(data=st.data())
    def unclaim(self, data: st.DataObject) -> None:
        if drawn := self.draw(data):
            by, one = drawn
            job = self.holds(by, one)
            if job and job.started:
                return  # A worker gives back only what no process has got.
            given_back = claiming.unclaim(self.engine, self.workers[by], [one])
            assert given_back == (job is not None)
            if job:
                job.unclaim()

    @rule(by=somebody)
    def beat(self, by: int) -> None:
        worker = self.workers[by]
        if worker not in self.frozen:
            alive = leasing.renew(self.engine, worker, LEASE, draining=False)
            assert alive == (worker not in self.lost)

    @rule(by=somebody)
    def freeze(self, by: int) -> None:
        if not self.frozen:
            self.frozen.add(self.workers[by])

    @rule()
    def thaw(self) -> None:
        """It goes on with whatever it held, and with what it knew."""
        self.frozen.clear()

    @rule(by=somebody)
    def replace(self, by: int) -> None:
        """A worker that finds itself declared lost begins anew, holding nothing."""
        if self.workers[by] in self.lost - self.frozen:
            self.workers[by] = self.boot()
            self.tokens = [token for token in self.tokens if token[0] != by]

    # -- clocks and rescue -------------------------------------------------------------------------

    @rule(by=somebody)
    def expire(self, by: int) -> None:
        row = Worker.objects.filter(id=self.workers[by])
        row.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=STEP))

    @rule(by=somebody, gone=st.booleans())
    def rescue(self, by: int, gone: bool) -> None:
        worker = self.workers[by]
        is_over = worker in {one.pk for one in leasing.expired(self.engine, self.engine.now())}
        best_first = Job.objects.filter(pk__in=self.jobs).order_by("-priority", "run_at", "pk")
        held = [self.jobs[one.pk] for one in best_first if self.jobs[one.pk].worker == by]
        settled = leasing.rescue(self.engine, worker, gone=gone)
        assert (settled is not None) == (worker not in self.lost and (gone or is_over))
        if settled is None:
            return
        self.lost.add(worker)
        assert len(settled) == len(held)
        charged = guilty([job for job in held if job.started])
        if held and not any(job.started for job in held):
            held[0].may_have_run = True  # By the worker's one process.
        for job in held:
            how = AttemptStatus.FAILED if job.started else AttemptStatus.RELEASED
            job.end(how, Reason.WORKER_LOST, 0.0, charged)

    @rule(seconds=st.sampled_from([STEP, -STEP]))
    def clock_steps(self, seconds: float) -> None:
        """The database's clock jumps: all that lies ahead comes nearer, or moves away."""
        step = timedelta(seconds=seconds)
        Job.objects.filter(status__in=WAITING).update(run_at=F("run_at") - step)
        live = Worker.objects.filter(status__in=LIVE_WORKERS)
        live.update(lease_expires_at=F("lease_expires_at") - step)
        for job in self.jobs.values():
            if job.status in WAITING:
                job.due -= seconds

    @rule()
    def promote(self) -> None:
        due = [one for one in self.jobs.values() if one.status in WAITING and one.due <= 0]
        assert claiming.promote(self.engine) == len(due)
        for job in due:
            job.status = JobStatus.QUEUED

    # -- what always holds -------------------------------------------------------------------------

    @invariant()
    def database_and_model_are_the_same(self) -> None:
        stored = {row.pop("pk"): row for row in Job.objects.values(*COLUMNS)}
        assert stored == dict(map(as_row, self.jobs.items()))
        attempts: dict[int, dict[int, str]] = {pk: {} for pk in self.jobs}
        for pk, number, status in Attempt.objects.values_list("job_id", "number", "status"):
            attempts[pk][number] = status
        assert attempts == {pk: job.attempts for pk, job in self.jobs.items()}

    @invariant()
    def attempts_are_numbered_without_a_gap_and_one_runs_where_the_job_does(self) -> None:
        for job in self.jobs.values():
            assert list(job.attempts) == list(range(1, job.made + 1))
            running = [one for one in job.attempts.values() if one == AttemptStatus.RUNNING]
            assert len(running) == (job.status == JobStatus.RUNNING)
            assert job.spent <= job.max_attempts


DAY = timedelta(days=1)


@pytest.fixture
def few_interruptions(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "SUSPECT_PAUSE", LATER)
    settings.BACKGROUND_JOB_MAX_INTERRUPTIONS = MAX_INTERRUPTIONS
    settings.BACKGROUND_JOB_RETRY_DELAY = 0


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("live_database", "few_interruptions", "watched")
def test_whatever_happens_in_whatever_order_the_lifecycle_does_as_its_model() -> None:
    asked = os.environ.get("HYPOTHESIS_EXAMPLES")
    examples = int(asked or max(50, 2000 * SCALE))
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=not (asked or SCALE),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
