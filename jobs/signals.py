"""Signals of the job system, sent where the change is recorded.

`job_dispatched` is sent in the caller's process, inside its transaction; `attempt_finished` by the worker,
after the transaction that recorded them. A receiver that raises is logged and harms nobody.

Arguments: `sender` is the name of the job class; each signal names the rest below.
"""

from __future__ import annotations

from django.dispatch import Signal

job_dispatched = Signal()
"""job_id: int"""
attempt_finished = Signal()
"""job_id: int, attempt: int, status: AttemptStatus, reason: Reason, job_status: JobStatus"""
