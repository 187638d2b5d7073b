"""Every move of a status, as the database itself saw it, is one that `jobs.states` names."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from jobs.lifecycle import changing, claiming, finishing, leasing
from jobs.lifecycle.engines import Engine
from jobs.lifecycle.records import Claim
from jobs.models import Attempt, Job, Worker
from jobs.states import FINAL, LIVE_WORKERS, TRANSITIONS, AttemptStatus, JobStatus, Reason

from .acting import claim, dispatch, outcome
from .job_classes import Plain, SaysGoodbye

pytestmark = pytest.mark.django_db

ALLOWED = {
    (source.value, move.target.value) for move in TRANSITIONS.values() for source in move.sources
}
WATCH = {
    "sqlite": """
        CREATE TRIGGER watch_moves AFTER UPDATE OF status ON jobs_job
        BEGIN INSERT INTO moves VALUES (OLD.status, NEW.status); END
    """,
    "postgresql": """
        CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO moves VALUES (OLD.status, NEW.status); RETURN NULL; END $$;
        CREATE TRIGGER watch_moves AFTER UPDATE OF status ON jobs_job
        FOR EACH ROW EXECUTE FUNCTION note_move()
    """,
    "mysql": """
        CREATE TRIGGER watch_moves AFTER UPDATE ON jobs_job FOR EACH ROW
        INSERT INTO moves SELECT OLD.status, NEW.status FROM DUAL WHERE OLD.status <> NEW.status
    """,
}
FORGET = {
    "sqlite": ["DROP TRIGGER watch_moves"],
    "postgresql": ["DROP TRIGGER watch_moves ON jobs_job", "DROP FUNCTION note_move"],
    "mysql": ["DROP TRIGGER watch_moves"],
}


@pytest.fixture
def moves(live_database: None, engine: Engine) -> Iterator[Callable[[], set[tuple[str, str]]]]:
    """Have the database note every change of a job's status, and forget it afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE moves (old_status varchar(20), new_status varchar(20))")
        cursor.execute(WATCH[connection.vendor])
    yield lambda: {(str(a), str(b)) for a, b in engine.rows("SELECT * FROM moves", [])}
    with connection.cursor() as cursor:
        for statement in [*FORGET[connection.vendor], "DROP TABLE moves"]:
            cursor.execute(statement)


class Walk:
    """Takes one step after the other, each a verb of the lifecycle chosen by chance."""

    def __init__(self, engine: Engine, worker: Worker, seed: int) -> None:
        self.engine, self.worker, self.dice = engine, worker, random.Random(seed)
        self.claims: list[Claim] = []
        self.steps = [
            self.dispatch, self.promote, self.claim, self.claim, self.unclaim, self.finish,
            self.finish, self.finish, self.cancel, self.retry, self.retry_at, self.rescue,
        ]  # fmt: skip

    def step(self) -> None:
        self.dice.choice(self.steps)()

    def any_job(self) -> int:
        return self.dice.choice([0, *Job.objects.values_list("id", flat=True)])

    def take(self) -> list[Claim]:
        self.dice.shuffle(self.claims)
        taken, self.claims = self.claims[:2], self.claims[2:]
        return taken

    def dispatch(self) -> None:
        name = self.dice.choice([Plain.job_name, SaysGoodbye.job_name, "shop.Gone"])
        dispatch(job_class=name, delay=self.dice.choice([None, 60.0]), max_attempts=2)

    def promote(self) -> None:
        past = self.engine.now() - timedelta(seconds=1)
        Job.objects.filter(status__in=["scheduled", "retrying"]).update(run_at=past)
        claiming.promote(self.engine)

    def claim(self) -> None:
        self.claims += claim(self.worker, free=2)

    def unclaim(self) -> None:
        claiming.unclaim(self.engine, self.worker.pk, self.take())

    def finish(self) -> None:
        kinds = [one for one in AttemptStatus if one != AttemptStatus.RUNNING]
        told = [outcome(one, self.dice.choice(kinds)) for one in self.take()]
        for one in told:
            if one.status == AttemptStatus.RELEASED:
                one.reason = self.dice.choice([Reason.POSTPONED, Reason.SHUTDOWN])
        finishing.finish(self.engine, self.worker.pk, told)

    def cancel(self) -> None:
        changing.cancel(self.any_job())

    def retry(self) -> None:
        changing.retry(self.any_job())

    def retry_at(self) -> None:
        changing.retry(self.any_job(), run_at=self.engine.now() + timedelta(minutes=1))

    def rescue(self) -> None:
        leasing.rescue(self.engine, self.worker.pk, gone=True)
        Worker.objects.update(status=min(LIVE_WORKERS))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_every_move_is_a_known_one(
    seed: int, moves: Callable[[], set[tuple[str, str]]], worker: Worker, engine: Engine
) -> None:
    walk = Walk(engine, worker, seed)
    for _ in range(150):
        walk.step()
    made = moves()
    assert made <= ALLOWED
    assert len(made) > len(ALLOWED) / 2
    running = set(Attempt.objects.filter(status="running").values_list("job_id", flat=True))
    assert running == set(Job.objects.filter(status="running").values_list("id", flat=True))
    for job in Job.objects.all():
        numbers = job.attempts.order_by("number").values_list("number", flat=True)
        assert list(numbers) == list(range(1, job.attempts_made + 1))
        assert job.attempts_spent <= job.max_attempts


def test_nothing_leads_out_of_a_final_state_but_a_retry() -> None:
    leaving = [verb for verb, move in TRANSITIONS.items() if move.sources & FINAL]
    assert leaving == ["retry", "retry_at"]


def test_a_completed_job_stays_completed() -> None:
    assert not [one for one in TRANSITIONS.values() if JobStatus.COMPLETED in one.sources]
