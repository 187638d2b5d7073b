"""Every address the resolver knows, the admin's too, against every kind of visitor and every method.

An address that nothing is expected of fails, so that a new one cannot be open by mistake.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from jobs.models import Attempt, AuditEntry, Job, JobClass, Operation, Queue, Worker
from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_names,
    make_operation,
    make_user,
    make_worker,
)

from .api.asking import NEEDS as API_NEEDS
from .conftest import ALL
from .fuzzing.addresses import Address, addresses
from .test_permissions import NEEDS as PAGE_NEEDS
from .test_permissions import OPEN

pytestmark = pytest.mark.once

LOGS_OUT = {"admin:logout", "jobs:logout", "admin:login", "jobs:login"}
UNASKED = {"admin:autocomplete"}
"""Without its parameters it refuses everybody."""
MAY_BE_AWAY = {"jobs:ready"}
ASKS_LATER = {"jobs:stop_operation"}
"""What it takes depends on what is found there: a wrong method is told before."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
KINDS = {"anonymous", "inactive", "user", "superuser"}
"""Visitors who ask by every method: unknown, no longer let in, without any permission, and with all.

Between the last two each address answers each method to who may and to who may not. The others differ
in nothing but which permissions they hold; of those GET and POST tell all that may be read or changed,
and so they do of DEBUG. `test_permissions` has each page of ours by every method and by who holds
exactly what it takes, and `api.test_access` has those of the API.
"""
ANYBODY, KNOWN, STAFF, SUPERUSER, NOBODY = "anybody", "known", "staff", "superuser", "nobody"
NEEDS: dict[str, Any] = {f"jobs:{name}": needs for name, (_, needs) in PAGE_NEEDS.items()}
NEEDS |= {f"jobs:{name}": needs for name, (_, needs) in API_NEEDS.items()}
NEEDS |= {f"jobs:{name}": ANYBODY for name in OPEN}
# Tells nothing but that it is not there, and that not to everybody.
NEEDS |= {"jobs:api_unknown": KNOWN, "jobs:logs/": NEEDS["jobs:logs"]}
NEEDS |= {
    "admin:login": ANYBODY,
    # To log out, who is nobody is sent to where one logs in.
    "admin:logout": ANYBODY,
    **dict.fromkeys(("admin:index", "admin:jsi18n", "admin:app_list"), STAFF),
    **dict.fromkeys(("admin:password_change", "admin:password_change_done"), STAFF),
    **dict.fromkeys(("admin:autocomplete", "admin:view_on_site", "admin:other"), STAFF),
    "admin:to_change": STAFF,
}
MODELS: dict[str, Any] = {
    "job": {"view_job"},
    **dict.fromkeys(("attempt", "worker", "auditentry", "queue", "jobclass"), SUPERUSER),
}
"""Models of ours in the admin → what it takes to see them there, of the permissions tried here."""
for model, needs in MODELS.items():
    NEEDS |= {f"admin:jobs_{model}_{page}": needs for page in ("changelist", "change", "history")}
    NEEDS |= {f"admin:jobs_{model}_{page}": NOBODY for page in ("add", "delete")}
for model in ("user", "group"):
    pages = ("changelist", "change", "history", "add", "delete", "password_change")
    NEEDS |= {f"admin:auth_{model}_{page}": SUPERUSER for page in pages}


def name_of(one: Address) -> str:
    """Return the name of an address; one of ours for the few that have none."""
    known = {"view/logs/": "jobs:logs/", "admin/(?P<url>.*)$": "admin:other"}
    if one.name:
        return one.name
    is_object = one.route.endswith("<path:object_id>/")
    return "admin:to_change" if is_object else known.get(one.route, one.route)


def test_something_is_expected_of_every_address() -> None:
    assert {name_of(one) for one in addresses()} <= set(NEEDS)


class Scene:
    """One row of everything, for addresses to lead to."""

    def __init__(self) -> None:
        job = make_job(JobStatus.FAILED)
        make_attempt(job, "failed", worker=make_worker(id=UUID(int=1)))
        make_audit(job)
        make_operation()
        make_names(("shop.SendInvoice",), ("mail",))
        Group.objects.create(name="some")
        target = make_user(username="target")
        rows: list[Any] = [Job, Attempt, Worker, AuditEntry, Queue, JobClass, Group]
        self.keys = {model._meta.model_name: model._default_manager.get().pk for model in rows}
        self.keys["user"] = target.pk
        self.values = {
            "job_id": job.pk,
            "number": 1,
            "worker_id": UUID(int=1),
            "operation_id": Operation.objects.get().pk,
            "kind": "csv",
            "rest": "none",
            "url": "none",
            "app_label": "jobs",
            "object_id": job.pk,
            "content_type_id": ContentType.objects.get_for_model(Job).pk,
        }

    def path(self, one: Address) -> str:
        model = re.match(r"admin/(?:auth|jobs)/(\w+)/", one.route)
        own = {"object_id": self.keys[model[1]], "id": self.keys[model[1]]} if model else {}
        path = one.filled(lambda name: str((self.values | own)[name]))
        return path + (f"?a={self.keys['attempt']}" if one.name == "jobs:compare" else "")


VISITORS: dict[str, dict[str, Any]] = {
    "anonymous": {},
    "inactive": {"is_active": False, "is_staff": True, "is_superuser": True},
    "user": {},
    "staff": {"is_staff": True},
    **{codename: {"is_staff": True} for codename in ALL},
    "operator": {},
    "superuser": {"is_staff": True, "is_superuser": True},
}
HOLD: dict[str, set[str]] = {name: {name} for name in ALL} | {"operator": set(ALL)}
"""Visitor → the permissions of ours that they have."""


def may(visitor: str, needs: Any) -> bool:
    """Return whether a visitor is let in where that takes `needs`."""
    if needs == ANYBODY or visitor in ("anonymous", "inactive"):
        return bool(needs == ANYBODY)
    if needs == KNOWN:
        return True
    if needs == STAFF:
        return visitor not in ("user", "operator")
    if visitor == "superuser":
        return bool(needs != NOBODY)
    return isinstance(needs, set) and needs <= HOLD.get(visitor, set())


def is_shut(answer: Any) -> bool:
    to_login = answer.status_code == 302 and "login/?next=" in answer["Location"]
    return to_login or answer.status_code in (401, 403)


def refusals(visitor: str, name: str) -> set[int]:
    """Return the statuses with which a visitor may be refused."""
    if name.startswith("admin:"):
        return {302, 403}
    return {302, 401} if visitor in ("anonymous", "inactive") else {403}


@pytest.mark.parametrize(
    ("visitor", "debug"),
    [*((one, False) for one in VISITORS), ("anonymous", True), ("user", True)],
)
def test_each_visitor_is_let_in_where_they_may_and_nowhere_else(
    visitor: str, debug: bool, db: None, settings: Any
) -> None:
    settings.DEBUG = debug
    scene, client = Scene(), Client(raise_request_exception=False)
    user = (
        make_user(*HOLD.get(visitor, ()), **VISITORS[visitor]) if visitor != "anonymous" else None
    )
    if user is not None:
        client.force_login(user)
    unexpected = []
    asked = [(name_of(one), scene.path(one)) for one in addresses()]
    for name, path in sorted(asked, key=lambda one: one[0] in LOGS_OUT):
        for method in METHODS if visitor in KINDS and not debug else ("GET", "POST"):
            if user is not None and name in LOGS_OUT:
                client.force_login(user)
            answer = client.generic(method, path)
            # Nothing in the admin is changed by anybody: it is for reading.
            reads_only = name.startswith("admin:jobs_") and method == "POST"
            is_staff = VISITORS[visitor].get("is_staff", False)
            expected = may(visitor, NEEDS[name])
            expected = expected and (is_staff or not name.startswith("admin:jobs_"))
            shut = is_shut(answer)
            wrong = shut == expected and not (shut and (reads_only or name in UNASKED))
            wrong = wrong and not (name in ASKS_LATER and answer.status_code == 405)
            wrong = wrong or (shut and answer.status_code not in refusals(visitor, name))
            if wrong or (answer.status_code >= 500 and name not in MAY_BE_AWAY):
                unexpected.append((method, path, answer.status_code))
    assert unexpected == [], "\n".join(map(str, unexpected))
    assert User.objects.filter(username="target").exists()
