"""Where jobs come from: the code, the request and its user, the job or the command."""

from __future__ import annotations

import asyncio
import threading
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.functional import SimpleLazyObject

from jobs import BackgroundJob, origins
from jobs.middleware import OriginMiddleware
from jobs.models import Job
from tests.factories import make_user

pytestmark = pytest.mark.django_db


class Sent(BackgroundJob):
    number: int = 1

    def handle(self) -> None: ...


def send(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    Sent().dispatch()
    return HttpResponse()


async def send_later(request: HttpRequest) -> HttpResponse:
    await sync_to_async(Sent().dispatch)()
    return HttpResponse()


class Place:
    def send(self) -> Job:
        return Sent().dispatch()


urlpatterns = [
    path("send/", send),
    path("send-later/", send_later),
    path("reset/<int:user>/<str:token>/", send),
]
in_a_request = override_settings(ROOT_URLCONF=__name__)


def told(job: Job) -> dict[str, str]:
    """Return what is told of the origin of a job."""
    return dict(job.origin or {})


def stored() -> dict[str, str]:
    """Return what is told of the origin of the one job there is."""
    return told(Job.objects.get())


def test_a_job_tells_the_code_that_dispatched_it() -> None:
    job = Sent().dispatch()
    line = test_a_job_tells_the_code_that_dispatched_it.__code__.co_firstlineno + 1
    code = f"{__name__}.test_a_job_tells_the_code_that_dispatched_it:{line}"
    assert job.origin == stored() == {"code": code}
    assert job.parent_id is None


def test_a_method_is_named_with_its_class() -> None:
    Place().send()
    assert stored()["code"].startswith(f"{__name__}.Place.send:")


def test_what_is_dispatched_after_a_commit_tells_who_committed(live_database: None) -> None:
    with transaction.atomic():
        transaction.on_commit(Sent().dispatch)
    assert "test_what_is_dispatched_after_a_commit" in stored()["code"]


def test_many_jobs_of_one_call_have_one_origin() -> None:
    jobs = Sent.dispatch_many([Sent(number=n) for n in range(5)], batch_size=2)
    assert len({told(job)["code"] for job in jobs}) == 1
    assert [job.origin for job in Job.objects.order_by("pk")] == [job.origin for job in jobs]


# -- requests --------------------------------------------------------------------------------------


@in_a_request
def test_a_request_and_its_user_are_told() -> None:
    user, client = make_user(username="ana"), Client()
    client.force_login(user)
    client.post("/send/?secret=1")
    origin = stored()
    assert origin.pop("code").startswith(f"{__name__}.send:")
    assert origin == {"request": "POST /send/", "user": "ana", "user_id": str(user.pk)}


@in_a_request
def test_a_visitor_is_nobody_and_costs_no_query() -> None:
    with CaptureQueriesContext(connection) as queries:
        Client().get("/send/")
    assert {"user", "user_id"}.isdisjoint(stored())
    assert not [one for one in queries if "session" in one["sql"] or "auth_user" in one["sql"]]


@in_a_request
def test_what_an_address_names_as_secret_is_masked() -> None:
    Client().get("/reset/7/s3cr3t/")
    assert stored()["request"] == "GET /reset/7/••••••••/"


@in_a_request
def test_an_address_may_hold_what_no_database_takes() -> None:
    Client().get("/reset/7/a%00b/")
    assert stored()["request"].startswith("GET /reset/7/")


@in_a_request
@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_view_tells_its_request(live_database: None) -> None:
    user = make_user(username="bo")

    async def ask() -> None:
        client = AsyncClient()
        await client.aforce_login(user)
        await client.get("/send-later/")
        # The thread of the loop has a connection of its own, which would outlive the database.
        await sync_to_async(connections.close_all)()

    asyncio.run(ask())
    assert stored()["request"] == "GET /send-later/"
    assert stored()["user"] == "bo"


def test_a_request_is_over_when_it_is_answered(rf: RequestFactory) -> None:
    middleware = OriginMiddleware(lambda request: HttpResponse())
    middleware(rf.get("/over/"))
    assert "request" not in told(Sent().dispatch())


def test_a_request_that_fails_is_over_too(rf: RequestFactory) -> None:
    def fail(request: HttpRequest) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        OriginMiddleware(fail)(rf.get("/over/"))
    assert "request" not in told(Sent().dispatch())


def test_a_user_who_cannot_be_read_stops_no_dispatch(rf: RequestFactory, settings: Any) -> None:
    def broken() -> Any:
        raise RuntimeError("the store of sessions is away")

    request: Any = rf.get("/")
    request.user = SimpleLazyObject(broken)
    request.COOKIES[settings.SESSION_COOKIE_NAME] = "x"
    with origins.of_request(request):
        assert "user" not in told(Sent().dispatch())


def test_a_user_whom_a_view_has_set_is_told(rf: RequestFactory) -> None:
    request: Any = rf.get("/")
    with origins.of_request(request):
        request.user = AnonymousUser()
        assert "user" not in origins.told_of(request)
        request.user = make_user(username="robot")
        assert origins.told_of(request)["user"] == "robot"


# -- commands and jobs -----------------------------------------------------------------------------


def test_a_command_is_told_by_its_name() -> None:
    class Command(BaseCommand):
        def handle(self, *args: Any, **options: Any) -> None:
            Sent().dispatch()

    Command.__module__ = "shop.management.commands.import_orders"
    call_command(Command())
    assert stored()["command"] == "import_orders"
    assert "Command.handle:" in stored()["code"]


def test_our_own_command_is_not_told_as_code() -> None:
    call_command("dispatch", "tests.Sent", stdout=StringIO())
    assert stored() == {"command": "dispatch"}


def test_what_a_job_dispatches_tells_the_job() -> None:
    with origins.of_job(17, "shop.Import"):
        job = Sent().dispatch()
    assert (job.parent_id, told(job)["job_class"]) == (17, "shop.Import")
    assert Job.objects.get().parent_id == 17
    assert Sent().dispatch().parent_id is None


def test_threads_of_a_job_are_the_job(live_database: None) -> None:
    def dispatch() -> None:
        Sent().dispatch()
        connection.close()

    with origins.of_job(17, "shop.Import"):
        thread = threading.Thread(target=dispatch)
        thread.start()
        thread.join()
    assert Job.objects.get().parent_id == 17
