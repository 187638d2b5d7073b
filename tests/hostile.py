"""Jobs that carry markup, scripts and escapes wherever they can put a text."""

from __future__ import annotations

from urllib.parse import quote

from django.utils import timezone

from jobs.lifecycle.pausing import pause
from jobs.states import JobStatus
from tests.factories import (
    make_attempt,
    make_audit,
    make_job,
    make_names,
    make_operation,
    make_output,
    make_user,
    make_worker,
)

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "</script><script>alert(1)//",
    "</pre></code><svg onload=alert(1)>",
    "{{7*7}}{% debug %}",
    "javascript:alert(1)",
    "<!-- ]]> -->",
    "\u2028\u202e&lt;script&gt;",
    "<a href=//evil>",
    "\x1b]8;;javascript:alert(1)\x07x\x1b]8;;\x07",
    "\x1b[31m<b>",
    "<style>@import'//evil'",
    "</textarea></title><b>",
    "data:text/html,<script>alert(1)</script>",
]


def hostile(payload: str) -> list[str]:
    """Store a job that carries `payload` in every text it has; return the pages that show it."""
    user = make_user(username=payload[:150])
    worker = make_worker(hostname=payload, version=payload[:50], queues=[payload])
    make_worker("lost", hostname=payload, stopped_at=timezone.now(), rescued={payload: 1})
    make_names((payload,), (payload,))
    pause(payload, payload, by=user)
    pages = []
    for status in JobStatus:
        job = make_job(
            status,
            job_class=payload,
            queue=payload,
            tags=[payload],
            parent_id=1,
            origin=dict.fromkeys(("code", "request", "user", "job_class", "command"), payload),
            arguments={payload: payload},
            result={payload: [payload]},
            error_type=payload,
            error_message=payload,
            progress={"done": 1, "total": 2, "message": payload},
        )
        attempt = make_attempt(
            job,
            "failed",
            worker=worker,
            error_type=payload,
            error_message=payload,
            traceback=payload,
            receipt={
                "requested_at": payload,
                "why": payload,
                "steps": [{"at": payload, "signal": payload, "pids": [payload]}],
                "verified_at": payload,
                "survivors": [payload],
            },
        )
        make_output(attempt, ("out", payload), ("error", payload))
        make_audit(job, payload[:20], actor_name=user.username)
        pages.append(job.get_absolute_url())
    # An attempt shows nothing of its job's status: the pages of all these attempts are the same.
    pages.append(attempt.get_absolute_url())
    text = quote(payload)
    pages += [f"/attempts/compare/?a={attempt.pk}&b={attempt.pk - 1}", f"/view/logs?q={text[:9]}"]
    pages += [
        f"/view/logs?q={text}&worker={text}&since={text}",
        f"{pages[-3]}?q={text}&level={text}",
    ]
    asked = f"?q={text}&worker={text}&error={text}&argument={text}:{text}&since={text}"
    operation = make_operation(
        selection={"queue": payload, "text": payload, "worker": payload, "argument": payload},
        error=payload,
        actor_name=payload,
        stopped_by=payload,
    )
    pages += [f"/{asked}", f"/counts/{asked}", f"/audit/?by={text}&since={text}", "/audit/"]
    pages += [operation.get_absolute_url(), "/operations/"]
    pages += [f"/jobs/retry/?all=1&filter={quote(f'?class={text}&queue={text}&error={text}')}"]
    return [*pages, "/", "/view/logs", "/view/logs?tab=errors", "/queues/", "/workers/"]
