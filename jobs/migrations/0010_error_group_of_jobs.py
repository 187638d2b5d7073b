from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

import jobs.models.indexes


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_saved_views")]

    operations = [
        # Nullable and without a default: no database rewrites the table for it.
        migrations.AddField(
            "job",
            "error_group",
            models.CharField(max_length=24, null=True, verbose_name="error group"),
        ),
        migrations.AddIndex(
            "job",
            jobs.models.indexes.PartialIndex(
                fields=["error_group", "status", "-id"],
                condition=Q(error_group__isnull=False),
                name="jobs_job_error_group",
            ),
        ),
    ]
