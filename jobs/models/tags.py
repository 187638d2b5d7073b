from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .jobs import Job
from .names import NameField


class Tag(models.Model):
    """One word a job was dispatched with, to find it by. `Job.tags` has them all."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(
        Job, models.CASCADE, related_name="tag_rows", db_index=False, verbose_name=_("job")
    )
    job_number = models.BigIntegerField()
    """The id of the job once more, in which order the jobs of a tag are read.

    By `job` PostgreSQL would read them from the other index, through all tags of newer jobs: it
    takes the jobs of a tag for evenly spread, though nobody may have used it for a year.
    """
    name = NameField(_("tag"), max_length=50)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        default_permissions = ()
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="jobs_tag_of_job")]
        indexes = [models.Index(fields=["name", "-job_number", "job"], name="jobs_tag_name")]

    def __str__(self) -> str:
        return self.name
