"""The pages of operations and of the audit: who did what, when, to which jobs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.lifecycle import operations
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.operations import Estimate
from jobs.models import Job, Operation
from jobs.selection import Selection
from jobs.states import JobStatus
from jobs.web import paging
from tests.factories import make_audit, make_job, make_operation, make_worker
from tests.plans import plan, prefer_indexes


def begin(**values: Any) -> Operation:
    defaults: dict[str, Any] = {
        "asked_at": engine_for().now(),
        "last_job": Job.objects.count(),
        "estimate": Estimate(10_000, capped=True),
        "by": "ana",
    }
    kind = values.pop("kind", "retry")
    return operations.begin(kind, values.pop("selection", Selection()), **(defaults | values))


def html(client: Any, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_an_operation_says_who_asked_for_what_and_how_far_it_is(operator) -> None:
    operation = begin(selection=Selection(status="failed", queue="mail"))
    for page in (html(operator, "/operations/"), html(operator, operation.get_absolute_url())):
        for part in ("ana", "Retry #", "Waiting", "mail", "10,000+"):
            assert part in page


def test_an_operation_without_a_worker_says_that_it_waits_for_one(operator) -> None:
    path = begin().get_absolute_url()
    assert "No worker is running" in html(operator, path)
    make_worker()
    assert "No worker is running" not in html(operator, path)


def test_what_was_skipped_is_told_with_its_reason(operator) -> None:
    done = make_job(JobStatus.COMPLETED)
    operation = begin(selection=Selection(ids=(done.pk,)), last_job=done.pk)
    operations.carry_out(operation)
    page = html(operator, operation.get_absolute_url())
    assert "Skipped: Completed" in page
    assert f'<a href="/jobs/{done.pk}/">#{done.pk}</a>' in page
    assert "data-settled" in page


def test_what_no_longer_matched_is_told(operator) -> None:
    operation = begin(estimate=Estimate(7))
    operations.carry_out(operation)
    assert "No longer matched in time" in html(operator, operation.get_absolute_url())


def test_an_operation_leads_to_the_jobs_it_changed(operator) -> None:
    job, _ = make_job(JobStatus.FAILED), make_audit(make_job())
    operation = begin(selection=Selection(ids=(job.pk,)), last_job=job.pk)
    operations.carry_out(operation)
    assert f"/audit/?operation={operation.pk}" in html(operator, operation.get_absolute_url())
    entries = operator.get(f"/audit/?operation={operation.pk}").context["page"].rows
    assert [entry.job_id for entry in entries] == [job.pk]


def stop(client: Any, operation: Operation) -> tuple[int, str]:
    answer = client.post(f"/operations/{operation.pk}/stop/")
    return answer.status_code, " ".join(str(one) for one in get_messages(answer.wsgi_request))


def test_a_running_operation_is_stopped_once(operator) -> None:
    operation = begin()
    assert f"/operations/{operation.pk}/stop/" in html(operator, operation.get_absolute_url())
    assert "was asked to stop" in stop(operator, operation)[1]
    assert "Stopping" in html(operator, operation.get_absolute_url())
    assert "already asked to stop" in stop(operator, operation)[1]


def test_stopping_needs_the_permission_for_what_it_does(visitor) -> None:
    operation = begin(kind="cancel")
    assert stop(visitor("view_job", "retry_job"), operation)[0] == 403
    assert stop(visitor("view_job", "cancel_job"), operation)[0] == 302


def test_arguments_in_a_filter_are_shown_only_to_who_may_see_them(operator, visitor) -> None:
    operation = begin(selection=Selection(argument="customer:4711"))
    for path in ("/operations/", operation.get_absolute_url()):
        assert "4711" in html(operator, path)
        assert "4711" not in html(visitor("view_job"), path)


def test_a_filter_of_a_newer_version_is_named_as_such(operator) -> None:
    operation = begin()
    Operation.objects.update(selection={"colour": "blue"})
    for path in ("/operations/", operation.get_absolute_url()):
        assert "this version knows no filter by colour" in html(operator, path)


def test_no_operations_yet_says_how_to_begin_one(operator) -> None:
    assert "No operations yet" in html(operator, "/operations/")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"ana", "bo"}),
        ("by=an", {"ana"}),
        ("action=cancel", {"bo"}),
        ("action=nonsense", {"ana", "bo"}),
        ("since=1h", {"ana", "bo"}),
        ("until=1h", set()),
        ("job=999", set()),
        ("job=9999999999999999999", set()),
    ],
)
def test_the_audit_is_searched_by_who_what_and_when(query, found, operator) -> None:
    make_audit(make_job(), "retry", actor_name="ana")
    make_audit(make_job(), "cancel", actor_name="bo")
    rows = operator.get(f"/audit/?{query}").context["page"].rows
    assert {entry.actor_name for entry in rows} == found


def test_the_audit_of_one_job_is_found_by_its_number(operator) -> None:
    job = make_job()
    make_audit(job)
    make_audit(make_job())
    rows = operator.get(f"/audit/?job={job.pk}").context["page"].rows
    assert [entry.job_id for entry in rows] == [job.pk]


def test_the_audit_is_paged_by_key(operator) -> None:
    job = make_job()
    for _ in range(60):
        make_audit(job)
    first = operator.get("/audit/").context
    assert len(first["page"].rows) == 50
    assert len(operator.get(f"/audit/{first['older_url']}").context["page"].rows) == 10


def test_an_operation_leads_to_its_jobs_however_old_it_is(operator, monkeypatch) -> None:
    monkeypatch.setattr(paging, "SPAN", 5)
    operation, job = make_operation(), make_job()
    mine = [make_audit(job, operation=operation).pk for _ in range(60)]
    for _ in range(12):
        make_audit(job)
    address = f"/audit/?operation={operation.pk}"
    first = operator.get(address).context
    assert [entry.pk for entry in first["page"].rows] == mine[:9:-1]
    assert not first["page"].partial
    older = operator.get(f"/audit/{first['older_url']}").context["page"]
    assert [entry.pk for entry in older.rows] == mine[9::-1]
    assert operator.get(f"{address}&by=ana").context["page"].partial


@pytest.mark.skipif(connection.vendor == "mysql", reason="its plans are read for tags alone")
def test_the_jobs_of_an_operation_are_one_range_of_an_index(operator) -> None:
    operation = make_operation()
    make_audit(make_job(), operation=operation)
    with CaptureQueriesContext(connection) as queries:
        operator.get(f"/audit/?operation={operation.pk}")
    (sql,) = [one["sql"] for one in queries if 'ORDER BY "jobs_auditentry"' in one["sql"]]
    prefer_indexes("seqscan")
    found = plan(sql)
    assert "jobs_audit" in found
    assert not re.search(r"TEMP B-TREE|\bSort\b", found)
