"""What programs get to see of rows: JSON objects, with nothing their user may not read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ...error_groups import Group
from ...histograms import Histogram
from ...models import Attempt, Job
from ...redaction import redacted
from ...statistics import COUNTED, Counts, Summary
from ..responses import permission

PERCENTS = (50, 95, 99)


def stamp(moment: datetime | None) -> str | None:
    """Return a time in ISO 8601, with microseconds and its offset."""
    return moment.isoformat(timespec="microseconds") if moment else None


def job_shape(job: Job, user: Any) -> dict[str, Any]:
    """Return what a list tells of a job."""
    shape = {
        "id": job.pk,
        "class": job.job_class,
        "queue": job.queue,
        "priority": job.priority,
        "tags": list(job.tags),
        "status": job.status,
        "cancel_requested_at": stamp(job.cancel_requested_at),
        "created_at": stamp(job.created_at),
        "run_at": stamp(job.run_at),
        "started_at": stamp(job.started_at),
        "finished_at": stamp(job.finished_at),
        "max_attempts": job.max_attempts,
        "attempts_spent": job.attempts_spent,
        "attempts_made": job.attempts_made,
        "interruptions": job.interruptions,
        "error_type": job.error_type,
        "error_group": job.error_group,
        "progress": job.progress,
        "origin": job.origin,
        "parent_id": job.parent_id,
        "url": job.get_absolute_url(),
    }
    if user.has_perm(permission("view_job_logs")):
        shape["error_message"] = job.error_message
    return shape


def whole_job_shape(job: Job, user: Any) -> dict[str, Any]:
    """Return all that is told of a job; arguments and result with their secrets masked."""
    shape = job_shape(job, user)
    if user.has_perm(permission("view_job_arguments")):
        shape["arguments"], shape["result"] = redacted(job.arguments), redacted(job.result)
    return shape


def attempt_shape(attempt: Attempt) -> dict[str, Any]:
    """Return what a list tells of an attempt."""
    return {
        "number": attempt.number,
        "status": attempt.status,
        "reason": attempt.reason,
        "worker": attempt.worker.hostname if attempt.worker else None,
        "pid": attempt.pid,
        "claimed_at": stamp(attempt.claimed_at),
        "started_at": stamp(attempt.started_at),
        "finished_at": stamp(attempt.finished_at),
        "exit_code": attempt.exit_code,
        "signal": attempt.signal,
        "error_type": attempt.error_type,
        "cpu_seconds": attempt.cpu_seconds,
        "peak_rss": attempt.peak_rss,
        "output_bytes": attempt.output_bytes,
        "output_dropped": attempt.output_dropped,
    }


def whole_attempt_shape(attempt: Attempt) -> dict[str, Any]:
    """Return all that is told of an attempt, but for its output."""
    large = {"error_message": attempt.error_message, "traceback": attempt.traceback}
    return attempt_shape(attempt) | large


def counts_shape(counts: Counts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in COUNTED}


def spans_shape(histogram: Histogram) -> dict[str, float | None]:
    """Return percentiles and the longest, in seconds; None without any."""
    spans: dict[str, float | None] = {f"p{one}": histogram.percentile(one) for one in PERCENTS}
    return spans | {"max": histogram.longest if histogram.total else None}


def summary_shape(summary: Summary) -> dict[str, Any]:
    return {
        **counts_shape(summary.counts),
        "failure_rate": summary.counts.failure_rate,
        "wait_seconds": spans_shape(summary.waited),
        "run_seconds": spans_shape(summary.ran),
        "total_run_seconds": summary.ran_seconds,
        "cpu_seconds": summary.cpu_seconds,
        "peak_rss": summary.peak_rss,
    }


def group_shape(group: Group, user: Any) -> dict[str, Any]:
    """Return what is told of a group of like errors."""
    shape = {
        "fingerprint": group.fingerprint,
        "class": group.job_class,
        "error_type": group.error_type,
        "windows": group.windows,
        "total": group.total,
        "first_at": stamp(group.first_at),
        "last_at": stamp(group.last_at),
        "last_job": group.last_job,
    }
    if user.has_perm(permission("view_job_logs")):
        shape["message"] = group.message
    return shape
