"""Who is measured, where its jobs are kept, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..session import ROOT

OUR_SETTINGS, PEER_SETTINGS = "bench.settings", "bench.peers.settings"
DRIVER = ["psycopg[binary]", "dj-database-url"]
"""What a peer on Django needs beside itself."""
BOTH = ("postgresql", "sqlite")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A system with its settings. Its adapter, of the name `adapter`, says how it is used."""

    name: str
    adapter: str
    stores: tuple[str, ...]
    packages: tuple[str, ...]
    """What pip installs into its virtual environment."""
    settings: str = ""
    """Its Django settings; empty where it does without Django."""
    environment: Mapping[str, str] = field(default_factory=dict)


OURS = Contestant(
    name="jobs",
    adapter="jobsystem",
    stores=BOTH,
    packages=("--editable", f"{ROOT}[postgres,server]"),
    settings=OUR_SETTINGS,
)

CONTESTANTS = [
    OURS,
    Contestant(
        name="jobs, fresh",
        adapter=OURS.adapter,
        stores=("postgresql",),
        packages=OURS.packages,
        settings=OUR_SETTINGS,
        environment={"BACKGROUND_JOB_ISOLATION": "fresh"},
    ),
    Contestant(
        name="django-tasks-db",
        adapter="django_tasks_db",
        stores=BOTH,
        packages=("django-tasks-db", *DRIVER),
        settings=PEER_SETTINGS,
    ),
    Contestant(
        name="django-ox",
        adapter="django_ox",
        stores=BOTH,
        packages=("django-ox", *DRIVER),
        settings=PEER_SETTINGS,
    ),
    Contestant(
        name="procrastinate",
        adapter="procrastinate",
        stores=("postgresql",),
        packages=("procrastinate", "Django", *DRIVER),
        settings=PEER_SETTINGS,
    ),
    Contestant(name="RQ", adapter="rq", stores=("redis",), packages=("rq", "redis")),
    Contestant(
        name="Celery",
        adapter="celery",
        stores=("redis",),
        # kombu's transport for Redis imports packaging without declaring it.
        packages=("celery[redis]", "packaging"),
    ),
]
