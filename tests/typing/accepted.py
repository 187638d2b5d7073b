"""What `mypy --strict` accepts of a job class; checked by `tests/test_typing.py`, never run."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import BackgroundJob
from jobs.models import Job


class SendInvoice(BackgroundJob):
    queue = "mail"
    priority = 5
    max_attempts = 5
    retry_delay = [10, 60, 300]
    timeout = 120
    memory_limit = 512 * 1024 * 1024
    isolation = "fresh"
    aliases = ["shop.SendBill"]
    tags = ["billing"]

    invoice_id: int
    copy_to: str | None = None
    labels: list[str] = dataclasses.field(default_factory=list)

    def handle(self) -> dict[str, Any]:
        self.progress(1, 2, "half")
        with self.complete_in_transaction():
            pass
        if self.attempt > 3:
            self.fail("enough")
        return {"id": self.invoice_id, "key": self.idempotency_key, "job": self.job_id}

    def failed(self, exception: BaseException) -> None:
        raise NotImplementedError from exception


class Numbered(BackgroundJob):
    abstract = True

    invoice_id: int


class Remind(Numbered):
    text: str = "please"

    def retry_delay(self, attempt: int, exception: BaseException) -> float:
        return attempt * 2.0

    def tags(self) -> list[str]:
        return [f"invoice:{self.invoice_id}"]

    async def handle(self) -> dict[str, Any]:
        return {}


class Own(BackgroundJob):
    def __init__(self, number: int) -> None:
        self.double = number * 2

    def handle(self) -> None: ...


job: Job = SendInvoice(invoice_id=7).dispatch()
SendInvoice(invoice_id=7, copy_to="a@b.org", labels=["x"]).dispatch(delay=60, using="default")
SendInvoice(invoice_id=7).dispatch(delay=timedelta(hours=1), queue="slow", tags=["urgent"])
SendInvoice(invoice_id=7).dispatch(run_at=datetime(2030, 1, 1, tzinfo=UTC))
jobs: list[Job] = SendInvoice.dispatch_many(SendInvoice(invoice_id=n) for n in range(3))
remind: Job = Remind(invoice_id=1, text="now").dispatch()
own: Job = Own(3).dispatch()
