"""Which entries of the audit a page shows, or an export writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone

from ..models import AuditEntry
from .filters import Filter, choice, key, moment, text

ACTIONS = (
    *("retry", "retry_at", "cancel", "dump", "copy", "dispatch"),
    *("pause", "resume", "drain", "forget"),
)


@dataclass(frozen=True)
class AuditFilter(Filter):
    by: str = ""
    job: int | None = None
    action: str = ""
    operation: int | None = None
    since: str = ""
    until: str = ""

    @classmethod
    def own(cls, query: QueryDict) -> dict[str, Any]:
        return {
            "by": text(query, "by").strip(),
            "job": key(query, "job"),
            "action": choice(query, "action", list(ACTIONS)),
            "operation": key(query, "operation"),
            "since": text(query, "since", 40),
            "until": text(query, "until", 40),
        }

    @property
    def narrows(self) -> bool:
        return self.searches or self.job is not None or self.operation is not None

    @property
    def searches(self) -> bool:
        # The entries of a job, and those of an operation, are each one range of an index.
        both = self.job is not None and self.operation is not None
        return both or bool(self.by or self.action or self.since or self.until)

    def matching(self) -> QuerySet[AuditEntry]:
        now = timezone.now()
        asked = {
            "actor_name__icontains": self.by,
            "job_id": self.job,
            "action": self.action,
            "operation_id": self.operation,
            "at__gte": moment(self.since, now),
            "at__lt": moment(self.until, now),
        }
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        return AuditEntry.objects.filter(**given)
