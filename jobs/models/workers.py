from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..states import LIVE_WORKERS, WorkerStatus
from .names import NameField


class Worker(models.Model):
    """One start of `runworker`. A restarted worker is a new row with a new id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    hostname = models.CharField(_("host"), max_length=255)
    host_id = models.CharField(max_length=100)
    """Names one boot of one machine, and the process namespace in it, whatever it is called."""
    pid = models.PositiveIntegerField(_("process"))
    process_started = models.FloatField()
    """When its process was created, in its system's own count; with `pid` it names one process."""
    queues = models.JSONField(_("queues"), default=list)
    """Names of the queues it serves; an empty list means all."""
    concurrency = models.PositiveSmallIntegerField(_("concurrency"))
    version = models.CharField(_("version"), max_length=50)
    status = NameField(
        _("status"), max_length=10, choices=WorkerStatus.choices, default=WorkerStatus.RUNNING
    )
    started_at = models.DateTimeField(_("started"))
    beat_at = models.DateTimeField(_("last heartbeat"))
    lease_expires_at = models.DateTimeField(_("lease ends"))
    stopped_at = models.DateTimeField(_("stopped"), null=True)
    drain_requested_at = models.DateTimeField(_("drain asked for"), null=True)
    """When somebody asked it to finish what it has and leave."""
    rss = models.BigIntegerField(_("memory"), null=True)
    """Bytes of resident memory of the worker itself, without its jobs, at its last heartbeat."""
    cpu_seconds = models.FloatField(_("CPU time"), null=True)
    """Seconds of CPU the worker itself has used since its start."""
    rescued = models.JSONField(_("rescued"), null=True)
    """What became of the jobs a lost worker held: `{job status: how many}`."""
    forgotten_at = models.DateTimeField(null=True)
    """When somebody took it off the list of workers; its row stays while attempts refer to it."""

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)
        permissions = [("manage_worker", "Can drain and stop workers")]
        indexes = [
            models.Index(fields=["status", "lease_expires_at"], name="jobs_worker_lease"),
            models.Index(fields=["-stopped_at", "id"], name="jobs_worker_stopped"),
        ]

    def __str__(self) -> str:
        return f"{self.hostname}:{self.pid}"

    @property
    def is_live(self) -> bool:
        """Whether its row says that it works; its lease says whether that is still so."""
        return self.status in LIVE_WORKERS
