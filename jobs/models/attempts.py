from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..output import Line, decode
from ..states import AttemptStatus, Reason
from .indexes import PartialIndex
from .jobs import Job
from .names import NameField
from .workers import Worker

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager


class Attempt(models.Model):
    """One try at a job: when, where, how it ended, and what it used."""

    chunks: RelatedManager[OutputChunk]

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job, models.CASCADE, related_name="attempts", db_index=False, verbose_name=_("job")
    )
    number = models.PositiveIntegerField(_("number"))
    status = NameField(
        _("status"), max_length=10, choices=AttemptStatus.choices, default=AttemptStatus.RUNNING
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices, blank=True)
    worker = models.ForeignKey(
        Worker,
        # Nothing looks for the attempts of a worker: it is deleted when none of them is left.
        models.DO_NOTHING,
        null=True,
        related_name="attempts",
        db_index=False,
        db_constraint=False,
        verbose_name=_("worker"),
    )
    pid = models.PositiveIntegerField(_("process"), null=True)
    claimed_at = models.DateTimeField(_("claimed"))
    started_at = models.DateTimeField(_("started"), null=True)
    """When a process got it; empty while it waits in its worker."""
    finished_at = models.DateTimeField(_("finished"), null=True)
    exit_code = models.IntegerField(_("exit code"), null=True)
    signal = models.SmallIntegerField(_("signal"), null=True)
    error_type = models.CharField(_("error"), max_length=200, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    cpu_seconds = models.FloatField(_("CPU time"), null=True)
    peak_rss = models.BigIntegerField(_("peak memory"), null=True)
    """Bytes of resident memory of the whole process tree at its largest."""
    receipt = models.JSONField(_("receipt"), null=True)
    """How its processes were stopped: `{"requested_at", "by", "why", "steps": [{"at", "signal", "pids"}],
    "verified_at", "survivors"}`"""
    output_bytes = models.BigIntegerField(_("bytes of output"), default=0)
    """Bytes it wrote, kept or not."""
    output_dropped = models.BigIntegerField(_("bytes dropped"), default=0)
    samples = models.JSONField(_("samples"), null=True)
    """What it took while it ran: `{"memory_limit": bytes or null, "points": [[seconds since its start,
    bytes of resident memory, seconds of CPU so far], ...]}`; empty for short attempts. While it runs, and
    where its worker was lost, also `"now": [seconds since its start, bytes]`, the last look at it."""
    dump_requested_at = models.DateTimeField(null=True)
    """Since when its worker is asked to write its stacks into its output; emptied when that is done."""
    hook_pending = models.BooleanField(default=False)
    """Whether `failed()` has still to run for it."""
    hook_worker = models.UUIDField(null=True)
    """The worker that is to run `failed()`."""

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ("view",)
        ordering = ["-id"]
        indexes = [
            PartialIndex(
                fields=["worker"],
                condition=Q(status=AttemptStatus.RUNNING),
                name="jobs_attempt_running",
            ),
            PartialIndex(
                fields=["-id"], condition=Q(status=AttemptStatus.FAILED), name="jobs_attempt_failed"
            ),
            PartialIndex(fields=["id"], condition=Q(hook_pending=True), name="jobs_attempt_hook"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="jobs_attempt_number"),
            models.CheckConstraint(
                condition=Q(status=AttemptStatus.RUNNING, finished_at__isnull=True)
                | (~Q(status=AttemptStatus.RUNNING) & Q(finished_at__isnull=False)),
                name="jobs_attempt_finished_at",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(AttemptStatus.values)),
                name="jobs_attempt_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of job {self.job_id}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:attempt", args=[self.job_id, self.number])

    @property
    def is_starting(self) -> bool:
        """Whether a worker claimed it and no process has it yet."""
        return self.status == AttemptStatus.RUNNING and self.started_at is None

    @property
    def duration(self) -> timedelta | None:
        """Time since its start, up to its end; None before it started."""
        if self.started_at is None:
            return None
        return max((self.finished_at or timezone.now()) - self.started_at, timedelta(0))

    @property
    def lines(self) -> list[Line]:
        """What was kept of its output, in order of arrival."""
        rows = self.chunks.order_by("position").values_list("entries", flat=True)
        return [line for entries in rows for line in decode(entries)]

    @property
    def output(self) -> str:
        """The text kept of its output: stdout, stderr and log records, in order of arrival."""
        return "".join(line.text for line in self.lines)


class OutputChunk(models.Model):
    """A piece of an attempt's output, as encoded by `jobs.output`."""

    id = models.BigAutoField(primary_key=True)
    attempt = models.ForeignKey(
        Attempt, models.CASCADE, related_name="chunks", db_index=False, verbose_name=_("attempt")
    )
    position = models.BigIntegerField()
    """Bytes of the attempt's output before this piece, dropped ones included."""
    size = models.PositiveIntegerField()
    """Bytes of output in this piece."""
    first_line = models.BigIntegerField(default=1)
    """Number of the line it begins with or in; lines that were not kept are counted, too."""
    last_line = models.BigIntegerField(default=1)
    """Number of the line it ends with or in."""
    continues = models.BooleanField(default=False)
    """Whether its first line began in an earlier piece."""
    sources = models.SmallIntegerField(default=0)
    """Which sources it holds, as `jobs.output.source_bits` counts them."""
    entries = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["attempt", "position"], name="jobs_chunk_position")
        ]

    def __str__(self) -> str:
        return f"output of attempt {self.attempt_id} from byte {self.position}"
