from __future__ import annotations

from django.db import migrations
from django.db.models import Q

import jobs.models.indexes


class Migration(migrations.Migration):
    dependencies = [("jobs", "0011_group_errors_of_old_jobs")]

    operations = [
        # One operation may change a million jobs: the newest of its entries are read in order.
        migrations.AddIndex(
            "auditentry",
            jobs.models.indexes.PartialIndex(
                fields=["operation", "-id"],
                condition=Q(operation__isnull=False),
                name="jobs_audit_operation",
            ),
        ),
    ]
