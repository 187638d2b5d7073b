"""Everything a page shows may come from a hostile job: it is text, and never markup."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import quote

import pytest
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
]
FOREIGN_TAGS = {"img", "iframe", "object", "embed", "style", "base", "math", "textarea", "video"}


class Reader(HTMLParser):
    """Collects what a browser would take for markup."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.handlers.append(name)
            if name in ("href", "src", "action", "formaction"):
                self.addresses.append(value or "")


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
        pages += [job.get_absolute_url(), attempt.get_absolute_url()]
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


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_stays_text_on_every_page(payload, operator) -> None:
    for page in hostile(payload):
        for path in (page, f"{page}{'&' if '?' in page else '?'}class={payload}&queue={payload}"):
            answer = operator.get(path)
            assert answer.status_code == 200
            reader = Reader()
            reader.feed(answer.content.decode())
            assert not reader.tags & FOREIGN_TAGS
            assert all(src and src.startswith("/static/jobs/") for src in reader.scripts)
            assert reader.handlers == []
            assert all(address.startswith(("/", "?", "#")) for address in reader.addresses)
