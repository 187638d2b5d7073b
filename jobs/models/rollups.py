"""What has become of jobs, summed up while it happens, so that nobody counts finished ones."""

from __future__ import annotations

from typing import NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..fingerprints import DIGITS
from ..histograms import BUCKETS
from .names import NameField

WAITED = tuple(f"waited_{bucket}" for bucket in range(BUCKETS))
RAN = tuple(f"ran_{bucket}" for bucket in range(BUCKETS))
"""The columns of the two histograms, one for each bucket of `jobs.histograms`."""
LARGEST = ("waited_max", "ran_max", "peak_rss")
"""The columns that hold the largest value; all other numbers are sums."""


class Shape(NamedTuple):
    """Which columns of a table of sums mean what. All others are numbers that are added up."""

    table: str
    key: tuple[str, ...]
    largest: tuple[str, ...]
    smallest: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    """What belongs to the key, and is the same in all its rows."""


SUMS = Shape("jobs_rollup", ("resolution", "period", "job_class", "queue", "shard"), LARGEST)
ERRORS = Shape(
    "jobs_errorrollup",
    ("resolution", "period", "fingerprint", "shard"),
    largest=("last_at", "last_job"),
    smallest=("first_at",),
    fixed=("job_class", "error_type", "message"),
)


class Resolution(models.IntegerChoices):
    """How much time a row sums up, in seconds from MINUTE on."""

    EVER = 0, _("all time")
    """Everything since the first job, but for what is still in rows of WRITER."""
    WRITER = 1, _("minute of one writer")
    """A minute as one connection has written it, minutes before it is merged."""
    MINUTE = 60, _("minute")
    TEN_MINUTES = 600, _("ten minutes")
    HOUR = 3600, _("hour")
    DAY = 86_400, _("day")


class Rollup(models.Model):
    """Sums of one job class in one queue over one period of UTC.

    Every outcome is in one row of EVER or WRITER, and in one row of the other five resolutions: it
    begins in WRITER and moves on as it ages; see `jobs.lifecycle.rollups`. The columns `waited_0` …
    and `ran_0` … count attempts by how long they waited and ran; NULL in them is 0 and takes no room.
    """

    id = models.BigAutoField(primary_key=True)
    resolution = models.IntegerField(choices=Resolution.choices)
    period = models.DateTimeField(_("begin"))
    """The start of the period; of EVER, always 1970."""
    job_class = NameField(_("class"), max_length=200)
    queue = NameField(_("queue"), max_length=100)
    shard = models.BigIntegerField(default=0)
    """A number of the writer's own in WRITER, so that writers never wait for each other; else 0."""
    completed = models.BigIntegerField(_("completed"), default=0)
    failed = models.BigIntegerField(_("failed"), default=0)
    """Jobs that have no attempt left."""
    retried = models.BigIntegerField(_("retried"), default=0)
    """Attempts that failed and will be followed by another."""
    cancelled = models.BigIntegerField(_("cancelled"), default=0)
    released = models.BigIntegerField(_("released"), default=0)
    """Attempts given back unspent."""
    waited_seconds = models.FloatField(default=0)
    """From when they were due until a process had them, of all attempts that one had."""
    waited_max = models.FloatField(default=0)
    ran_seconds = models.FloatField(default=0)
    ran_max = models.FloatField(default=0)
    cpu_seconds = models.FloatField(default=0)
    peak_rss = models.BigIntegerField(default=0)
    """Bytes of the largest of the attempts."""

    class Meta:
        verbose_name = _("rollup")
        verbose_name_plural = _("rollups")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=list(SUMS.key), name="jobs_rollup_key")]
        indexes = [
            models.Index(fields=["job_class", "resolution", "period"], name="jobs_rollup_class")
        ]

    def __str__(self) -> str:
        return f"{self.get_resolution_display()} {self.period} of {self.job_class}"


for name in (*WAITED, *RAN):
    Rollup.add_to_class(name, models.BigIntegerField(null=True))


class ErrorRollup(models.Model):
    """How often attempts of one class failed with like errors, over one period of UTC.

    Rows move on as those of `Rollup` do, but for days: hours are kept for eight of them. That of
    EVER stands for the group itself, until nothing like it has been seen for 90 days.
    """

    id = models.BigAutoField(primary_key=True)
    resolution = models.IntegerField(choices=Resolution.choices)
    period = models.DateTimeField(_("begin"))
    fingerprint = NameField(max_length=DIGITS)
    """Stands for class, error and message; see `jobs.fingerprints`."""
    shard = models.BigIntegerField(default=0)
    job_class = NameField(_("class"), max_length=200)
    error_type = models.CharField(_("error"), max_length=200, blank=True)
    """Empty where the class has too many groups: what is new then is counted together."""
    message = models.CharField(_("error message"), max_length=200, blank=True)
    """Without what differs from one time to the next, such as numbers."""
    failures = models.BigIntegerField(_("failed attempts"), default=0)
    first_at = models.DateTimeField(_("first seen"))
    last_at = models.DateTimeField(_("last seen"))
    last_job = models.BigIntegerField()
    """The largest id of a job that failed so; it may be deleted by now."""

    class Meta:
        verbose_name = _("errors")
        verbose_name_plural = _("errors")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=list(ERRORS.key), name="jobs_error_key")]

    def __str__(self) -> str:
        return f"{self.failures} × {self.error_type} of {self.job_class}"
