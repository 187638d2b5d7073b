"""What the requests meet: something of everything, and users with different rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.errors import ErrorTally
from jobs.lifecycle.pausing import pause
from jobs.models import Job, Resolution, Rollup, SavedView
from jobs.states import JobStatus
from tests.argument_jobs import PlainJob, RichJob
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_names,
    make_operation,
    make_output,
    make_user,
    make_worker,
)

from ..conftest import ALL

GROUP = "0123456789abcdef01234567"
TOKEN = "a-token-of-the-tests"
RIGHTS: dict[str, tuple[str, ...]] = {
    "nobody": (),
    "viewer": ("view_job",),
    "reader": ("view_job", "view_job_logs", "view_job_arguments"),
    "operator": ALL,
    "staff": (*ALL, "view_attempt", "view_worker", "view_queue", "view_jobclass"),
}
"""Name of a user → permissions; besides them there are `root` and, without a user, `anonymous`."""


@dataclass
class World:
    """Cookies by user, and what stands in the places of addresses."""

    sessions: dict[str, str] = field(default_factory=dict)
    jobs: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)
    workers: list[UUID] = field(default_factory=list)

    @classmethod
    def make(cls) -> World:
        world = cls()
        _people(world)
        _workers(world)
        for status in JobStatus:
            _jobs(world, status)
        _rest(world)
        return world


def _people(world: World) -> None:
    for name, codenames in RIGHTS.items():
        user = make_user(*codenames, username=name, is_staff=name == "staff")
        world.sessions[name] = _session(user)
        SavedView.objects.create(owner_id=str(user.pk), name="mine", query="?status=failed")
    entries = Permission.objects.filter(codename="view_auditentry")
    User.objects.get(username="staff").user_permissions.add(*entries)
    world.sessions["root"] = _session(User.objects.create_superuser("root", password="secret"))
    world.sessions["anonymous"] = ""


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _workers(world: World) -> None:
    now = timezone.now()
    for number, status in enumerate(("running", "running", "stopped", "lost")):
        gone = status in ("stopped", "lost")
        values = {"stopped_at": now, "rescued": {"failed": 1}} if gone else {}
        worker = make_worker(status, id=UUID(int=number + 1), hostname=f"host{number}", **values)
        world.workers.append(worker.pk)


def _jobs(world: World, status: JobStatus) -> None:
    failed = {"error_type": "ValueError", "error_message": "of no use", "error_group": GROUP}
    for number, cls in enumerate((PlainJob, RichJob, None)):
        job = make_job(
            status,
            tags=["vip", "two words"],
            job_class=cls.job_name if cls else "shop.Gone",
            queue=("default", "mail", "a/b")[number],
            arguments={"number": number, "text": "x", "api_key": "hush"},
            result={"made": [1, 2]},
            progress={"done": 1, "total": 2, "message": "half"},
            origin={"code": "shop.py:1", "request": "GET /", "user": "ana"},
            parent_id=world.jobs[0] if world.jobs else None,
            **(failed if status in (JobStatus.FAILED, JobStatus.RETRYING) else {}),
        )
        world.jobs.append(job.pk)
        _attempts(world, job.pk, "running" if status == JobStatus.RUNNING else "failed")


def _attempts(world: World, job: int, last: str) -> None:
    for status in ("completed", last):
        attempt = make_attempt(
            Job.objects.get(pk=job),
            status,
            worker_id=world.workers[len(world.jobs) % 4],
            error_type="" if status == "completed" else "ValueError",
            traceback="" if status == "completed" else "Traceback:\n  x\nValueError: of no use",
        )
        make_output(attempt, ("out", "one\ntwo\n"), ("err", "three"), ("error", "four\n"))
        make_output(attempt, ("info", "\x1b[31mred\x1b[0m\r\nlast"), gap=10)
        world.attempts.append(attempt.pk)


def _rest(world: World) -> None:
    make_names((PlainJob.job_name, RichJob.job_name, "shop.Gone"), ("default", "mail", "a/b"))
    pause("mail", "too much", by=User.objects.get(username="operator"))
    for kind, selection in (
        ("retry", {"status": "failed"}),
        ("cancel", {"ids": world.jobs[:3]}),
        ("retry", {"group": GROUP, "since": "2026-01-01T00:00:00Z"}),
    ):
        operation = make_operation(kind, selection=selection)
        world.operations.append(operation.pk)
    for job in Job.objects.filter(pk__in=world.jobs[:5]):
        make_audit(job)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for back in range(3):
        _sums(hour - timedelta(hours=back))
    tally = ErrorTally()
    tally.add(PlainJob.job_name, "ValueError", "order 17 is unknown", world.jobs[0], hour)
    tally.store(engine_for())


def _sums(period: datetime) -> None:
    for job_class in (PlainJob.job_name, "shop.Gone"):
        Rollup.objects.create(
            resolution=Resolution.HOUR,
            period=period,
            job_class=job_class,
            queue="default",
            completed=5,
            failed=2,
            peak_rss=2**20,
            ran_3=4,
            waited_2=7,
        )
