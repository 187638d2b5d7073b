from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs import admin as job_admin
from jobs import models
from jobs.lifecycle.pausing import pause
from jobs.models import Job
from jobs.states import JobStatus
from jobs.web import tables
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_names,
    make_output,
    make_user,
    make_worker,
)

from .conftest import ALL

JOBS = "/admin/jobs/job/"
MODELS = ("job", "attempt", "worker", "queue", "jobclass", "auditentry")
NOW = datetime.now(UTC)
VIEWS = tuple(f"view_{name}" for name in MODELS)


def staff(*codenames: str) -> Client:
    client = Client()
    client.force_login(make_user(*codenames, is_staff=True))
    return client


@pytest.fixture
def full(db: None) -> Client:
    return staff(*VIEWS, *ALL[1:])


def act(client: Client, action: str, *jobs: Job) -> tuple[int, list[str]]:
    data = {"action": action, "_selected_action": [job.pk for job in jobs]}
    answer = client.post(JOBS, data)
    return answer.status_code, [str(one) for one in get_messages(answer.wsgi_request)]


def store_one_of_each() -> Job:
    job = make_job(JobStatus.FAILED, arguments={"door_key": "hush, hush"}, result=None)
    attempt = make_attempt(job, "failed", worker=make_worker(), traceback="TRACEBACK")
    make_output(attempt, ("out", "OUTPUT\n"))
    make_audit(job)
    make_names(("shop.A",), ("mail",))
    return job


def test_an_empty_name_of_a_column_finds_the_row_by_its_key(full: Client) -> None:
    job = store_one_of_each()
    assert full.get(f"{JOBS}{job.pk}/change/?_to_field=").status_code == 200


def test_a_name_that_no_row_can_have_leads_back_to_the_list(full: Client) -> None:
    assert full.get("/admin/jobs/jobclass/%00/change/").status_code == 302


@pytest.mark.parametrize("name", MODELS)
def test_every_table_can_be_browsed(name, full) -> None:
    store_one_of_each()
    assert full.get(f"/admin/jobs/{name}/").status_code == 200
    row = admin.site._registry[getattr(models, {"job": "Job", "attempt": "Attempt",
        "worker": "Worker", "queue": "Queue", "jobclass": "JobClass",
        "auditentry": "AuditEntry"}[name])].model.objects.first()  # fmt: skip
    assert full.get(f"/admin/jobs/{name}/{row.pk}/change/").status_code == 200


@pytest.mark.parametrize("name", MODELS)
def test_no_table_can_be_changed_even_by_a_superuser(name, admin_client) -> None:
    store_one_of_each()
    assert admin_client.get(f"/admin/jobs/{name}/add/").status_code == 403
    row = admin_client.get(f"/admin/jobs/{name}/").context["cl"].queryset.first()
    assert admin_client.post(f"/admin/jobs/{name}/{row.pk}/change/", {}).status_code == 403
    assert admin_client.post(f"/admin/jobs/{name}/{row.pk}/delete/").status_code == 403
    assert "delete_selected" not in admin_client.get(f"/admin/jobs/{name}/").content.decode()


def test_retry_moves_what_it_can_and_says_what_it_skipped(full) -> None:
    failed = [make_job(JobStatus.FAILED), make_job(JobStatus.CANCELLED)]
    others = [make_job(JobStatus.RUNNING), make_job(JobStatus.RUNNING), make_job()]
    _, said = act(full, "retry", *failed, *others)
    assert said == ["Skipped: 2 running, 1 queued.", "2 jobs are queued again."]
    assert Job.objects.filter(status=JobStatus.QUEUED).count() == 3


def test_cancel_moves_what_it_can_and_says_what_it_skipped(full) -> None:
    _, said = act(full, "cancel", make_job(), make_job(JobStatus.COMPLETED))
    assert said == ["Skipped: 1 completed.", "1 job was cancelled or asked to stop."]


@pytest.mark.parametrize(
    ("action", "target", "changed", "others"),
    [
        ("retry", JobStatus.FAILED, {"status": "queued"}, {"status": "completed"}),
        (
            *("cancel", JobStatus.RUNNING, {"cancel_requested_at__isnull": False}),
            {"status": "running", "cancel_requested_at": NOW},
        ),
    ],
)
def test_repeating_an_action_gets_to_the_rest(
    action, target, changed, others, full, monkeypatch
) -> None:
    monkeypatch.setattr(job_admin, "ACTION_LIMIT", 2)
    old = [make_job(target) for _ in range(5)]
    newer = [make_job(**others) for _ in range(3)]
    ours = Job.objects.filter(pk__in=[job.pk for job in old])
    for done in (2, 4, 5):
        _, said = act(full, action, *old, *newer)
        assert ours.filter(**changed).count() == done
        assert any("repeat for the rest" in one for one in said) == (done < 5)
        full.get(JOBS)  # Messages stay until a page has shown them.


def test_an_action_is_recorded_for_its_user(full) -> None:
    job = make_job(JobStatus.FAILED)
    act(full, "retry", job)
    assert job.audit.get().actor_name


@pytest.mark.parametrize(("codename", "action"), [("retry_job", "cancel"), ("cancel_job", "retry")])
def test_an_action_needs_its_permission(codename, action, db) -> None:
    job = make_job(JobStatus.FAILED)
    client = staff("view_job", codename)
    act(client, action, job)
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert f'value="{action}"' not in client.get(JOBS).content.decode()


def test_arguments_need_their_permission_and_are_redacted(full) -> None:
    job = store_one_of_each()
    address = f"{JOBS}{job.pk}/change/"
    assert "door_key" not in staff("view_job").get(address).content.decode()
    html = full.get(address).content.decode()
    assert "door_key" in html
    assert "hush, hush" not in html


def test_tracebacks_and_output_need_their_permission(full) -> None:
    attempt = store_one_of_each().attempts.get()
    address = reverse("admin:jobs_attempt_change", args=[attempt.pk])
    closed = staff("view_attempt").get(address).content.decode()
    opened = full.get(address).content.decode()
    for secret in ("TRACEBACK", "OUTPUT"):
        assert secret not in closed
        assert secret in opened


def test_lists_neither_count_nor_scan_whole_tables(full) -> None:
    store_one_of_each()
    for path in (JOBS, f"{JOBS}?status__exact=failed&class=shop.A", "/admin/jobs/attempt/"):
        with CaptureQueriesContext(connection) as queries:
            assert full.get(path).status_code == 200
        for query in queries:
            sql = query["sql"]
            assert "DISTINCT" not in sql
            assert '"arguments"' not in sql
            assert '"traceback"' not in sql
            if "COUNT(*)" in sql:
                assert "LIMIT 10001" in sql


@pytest.mark.parametrize(
    ("path", "is_bounded"),
    [
        (f"{JOBS}?status__exact=failed", False),
        (f"{JOBS}?class=shop.SendInvoice", False),
        (f"{JOBS}?status__exact=failed&class=shop.SendInvoice", True),
        (f"{JOBS}?status__exact=failed&q=shop.SendInvoice", True),
        ("/admin/jobs/attempt/", False),
        ("/admin/jobs/attempt/?status__exact=failed", True),
    ],
)
def test_what_no_single_index_answers_is_looked_for_among_new_rows_only(
    path, is_bounded, full, monkeypatch
) -> None:
    monkeypatch.setattr(tables, "SPAN", 2)
    make_names(("shop.SendInvoice",))
    for _ in range(4):
        make_attempt(make_job(JobStatus.FAILED), "failed")
    html = full.get(path).content.decode()
    assert ("among the newest 2" in html) == is_bounded
    assert len(full.get(path).context["cl"].result_list) == (2 if is_bounded else 4)


@pytest.mark.parametrize("query", ["{}", " {} ", "shop.SendInvoice"])
def test_a_search_finds_a_number_or_a_whole_name_by_an_index(query, full) -> None:
    job = make_job()
    make_job(job_class="shop.sendinvoice")
    with CaptureQueriesContext(connection) as queries:
        found = full.get(JOBS, {"q": query.format(job.pk)}).context["cl"].result_list
    assert [one.pk for one in found] == [job.pk]
    assert not any("LIKE" in query["sql"] or "UPPER" in query["sql"] for query in queries)


@pytest.mark.parametrize("model", ["queue", "jobclass"])
@pytest.mark.parametrize(("query", "found"), [("mail", ["mail"]), ("2024", ["2024"]), ("ma", [])])
def test_a_search_among_names_finds_a_whole_one(model, query, found, full) -> None:
    make_names(("mail", "2024"), ("mail", "2024"))
    listed = full.get(f"/admin/jobs/{model}/?q={query}").context["cl"].result_list
    assert [one.name for one in listed] == found


def test_the_admins_own_log_says_what_was_done(full) -> None:
    job = make_job(JobStatus.FAILED)
    act(full, "retry", job, make_job())
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(job.pk), "retry")


def test_what_was_done_to_a_queue_is_listed(full) -> None:
    pause("mail", "down")
    html = full.get("/admin/jobs/auditentry/").content.decode()
    assert "mail" in html
    assert "down" in html
    assert "None" not in full.get("/admin/jobs/auditentry/?q=mail").content.decode()


def test_filters_offer_the_names_of_the_small_tables(full) -> None:
    store_one_of_each()
    html = full.get(JOBS).content.decode()
    assert "?class=shop.A" in html
    assert "?queue=mail" in html


@pytest.mark.parametrize(
    "query", ["?q=%00", "?q=9" + "9" * 40, "?class=%00", "?p=9999", "?q=x'", "?q=%D9%A3"]
)
def test_odd_searches_break_nothing(query, full) -> None:
    assert full.get(f"{JOBS}{query}").status_code in (200, 302)
