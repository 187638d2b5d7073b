"""Operations on many jobs as real workers carry them out, and die at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from jobs.lifecycle import operations
from jobs.lifecycle.engines import engine_for
from jobs.lifecycle.operations import Estimate
from jobs.models import Job, Operation
from jobs.selection import Selection
from jobs.states import JobStatus, OperationStatus

from .conftest import StartWorker

WaitUntil = Callable[..., Any]
MANY = 1500


def store_failed(count: int) -> list[int]:
    now = timezone.now()
    values = {"run_at": now, "created_at": now, "finished_at": now, "max_attempts": 3}
    Job.objects.bulk_create(
        Job(job_class="shop.Gone", queue="nobody", status=JobStatus.FAILED, **values)
        for _ in range(count)
    )
    return list(Job.objects.order_by("pk").values_list("pk", flat=True))


def begin(last_job: int) -> Operation:
    return operations.begin(
        "retry",
        Selection(status="failed"),
        asked_at=engine_for().now(),
        last_job=last_job,
        estimate=Estimate(MANY),
        by="ana",
    )


def test_a_worker_carries_out_an_operation(worker: StartWorker, wait_until: WaitUntil) -> None:
    ids = store_failed(250)
    worker("--queues", "default")
    operation = begin(ids[-1])
    wait_until(lambda: Operation.objects.get(pk=operation.pk).is_finished)
    operation.refresh_from_db()
    assert (operation.status, operation.done) == (OperationStatus.COMPLETED, 250)
    assert set(operation.audit.values_list("job_id", flat=True)) == set(ids)


def test_another_worker_goes_on_where_a_killed_one_stopped(
    worker: StartWorker, wait_until: WaitUntil
) -> None:
    ids = store_failed(MANY)
    first = worker("--queues", "default")
    operation = begin(ids[-1])
    wait_until(lambda: Operation.objects.get(pk=operation.pk).done)
    first.process.kill()
    first.process.wait()
    operation.refresh_from_db()
    assert 0 < operation.done < MANY
    assert operation.audit.count() == operation.done
    worker("--queues", "default")
    wait_until(lambda: Operation.objects.get(pk=operation.pk).is_finished)
    operation.refresh_from_db()
    assert (operation.done, operation.skipped) == (MANY, {})
    assert sorted(operation.audit.values_list("job_id", flat=True)) == ids
