"""What `mypy --strict` refuses, each line with the error it must get; see `tests/test_typing.py`."""

from __future__ import annotations

from jobs import BackgroundJob


class SendInvoice(BackgroundJob):
    invoice_id: int
    copy_to: str | None = None

    def handle(self) -> None: ...


SendInvoice(7)  # error: call-arg
SendInvoice()  # error: call-arg
SendInvoice(invoice_id="7")  # error: arg-type
SendInvoice(invoice_id=7, copy_too="x")  # error: call-arg
SendInvoice(invoice_id=7).dispatch(60)  # error: call-arg
SendInvoice(invoice_id=7).dispatch(delay="60")  # error: arg-type
SendInvoice.dispatch_many([7])  # error: list-item
SendInvoice(invoice_id=7).job_id = 3  # error: misc


class Misspelt(BackgroundJob):
    timeout = "soon"  # error: assignment
    isolation = "cold"  # error: assignment

    def handle(self) -> None: ...
