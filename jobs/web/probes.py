"""What a probe asks: whether this process answers, and whether jobs can get done.

Open to anybody, as load balancers have no login: so they say of each check only whether it is well.
"""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from ..conf import conf
from ..health import Examination
from .limits import limited

logger = logging.getLogger(__name__)
CHECKS = ("database", "worker")


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """Answer without asking the database: an outage of that is not cured by another process."""
    return answer({})


@csrf_exempt
@login_not_required
@transaction.non_atomic_requests
@require_safe
def ready(request: HttpRequest) -> HttpResponseBase:
    """Answer whether the database does, and whether any worker lives."""
    with limited(conf.PAGE_TIMEOUT):
        findings = Examination(CHECKS).findings()
    for finding in findings:
        if not finding.ok:
            logger.warning("Not ready: %s: %s", finding.check, finding.text)
    found = {finding.check: finding.ok for finding in findings}
    # Without a database nothing else can be told.
    return answer({check: found.get(check, False) for check in CHECKS})


def answer(checks: dict[str, bool]) -> HttpResponseBase:
    is_well = all(checks.values())
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    body = {"ok": is_well, **({"checks": checks} if checks else {})}
    return JsonResponse(body, status=200 if is_well else 503, headers=headers)
