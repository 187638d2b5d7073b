from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_error_groups")]

    operations = [
        migrations.AddField(
            "queue", "paused_at", models.DateTimeField(null=True, verbose_name="paused")
        ),
        migrations.AddField(
            "queue", "paused_until", models.DateTimeField(null=True, verbose_name="paused until")
        ),
        migrations.AddField(
            "queue",
            "paused_by",
            models.CharField(blank=True, default="", max_length=254, verbose_name="paused by"),
            preserve_default=False,
        ),
        migrations.AddField(
            "queue",
            "pause_reason",
            models.CharField(blank=True, default="", max_length=200, verbose_name="reason"),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "queue",
            models.CheckConstraint(
                condition=Q(
                    ("paused_at__isnull", False), ("paused_until__isnull", True), _connector="OR"
                ),
                name="jobs_queue_paused_until",
            ),
        ),
        migrations.AddField(
            "worker",
            "drain_requested_at",
            models.DateTimeField(null=True, verbose_name="drain asked for"),
        ),
        migrations.AddField(
            "worker", "rss", models.BigIntegerField(null=True, verbose_name="memory")
        ),
        migrations.AddField(
            "worker", "cpu_seconds", models.FloatField(null=True, verbose_name="CPU time")
        ),
        migrations.AddField(
            "worker", "rescued", models.JSONField(null=True, verbose_name="rescued")
        ),
        migrations.AddField("worker", "forgotten_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "worker", models.Index(fields=["-stopped_at", "id"], name="jobs_worker_stopped")
        ),
        migrations.AlterField(
            "auditentry",
            "job",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="audit",
                to="jobs.job",
                verbose_name="job",
            ),
        ),
        migrations.AddField(
            "auditentry",
            "subject",
            models.CharField(blank=True, default="", max_length=300, verbose_name="of"),
            preserve_default=False,
        ),
        migrations.AddField("auditentry", "other_job_id", models.BigIntegerField(null=True)),
        migrations.AddField(
            "auditentry",
            "detail",
            models.CharField(blank=True, default="", max_length=200, verbose_name="detail"),
            preserve_default=False,
        ),
        migrations.AlterField(
            "auditentry",
            "status",
            models.CharField(blank=True, max_length=10, verbose_name="status before"),
        ),
    ]
