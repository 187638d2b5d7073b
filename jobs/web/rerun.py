"""Running a job once more: later, again as it was, or as a new one with other arguments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..arguments import fields_of
from ..conf import BadSetting
from ..exceptions import JobError
from ..job import BackgroundJob
from ..lifecycle.auditing import record
from ..lifecycle.engines import engine_for
from ..models import Job
from ..origins import of_request
from ..registry import find
from ..states import JobStatus
from . import refusals
from .access import closed
from .actions import announce, load, refusal, title
from .argument_form import Entry, entries_of, given_in
from .filters import text
from .forms import BadTime, read_time
from .presentation import local
from .responses import permission, render, to_next


@closed("view_job", "retry_job", method="POST")
def retry_at(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = load(job_id)
    try:
        run_at = read_time(request.POST.get("at", ""))
    except BadTime as error:
        return told(request, job, messages.ERROR, str(error))
    if run_at is None or run_at <= timezone.now():
        return told(request, job, messages.ERROR, _("Give a time that is still to come."))
    if not job.retry(by=request.user, run_at=run_at):
        return told(request, job, messages.WARNING, refusal(job, _("retried")))
    done = _("%(job)s will be queued again at %(time)s.")
    values = {"job": title(job), "time": local(run_at)}
    return told(request, job, messages.SUCCESS, done % values)


@closed("view_job", "dispatch_job", method="POST")
def run_again(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = get_object_or_404(Job.objects.using(router.db_for_write(Job)), pk=job_id)
    try:
        new = copy(job, job.arguments, request)
    except (JobError, BadSetting) as error:
        # The message may show an argument, which not everybody may see.
        readable = request.user.has_perm(permission("view_job_arguments"))
        shown = refusals.told(error) if readable else type(error).__name__
        refused = _("%(job)s cannot be run again: %(error)s")
        values = {"job": title(job), "error": shown}
        return told(request, job, messages.ERROR, refused % values)
    return to_copy(request, new)


@closed("view_job", "view_job_arguments", "dispatch_job")
def edit_copy(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = get_object_or_404(Job, pk=job_id)
    return show_form(request, job)


@closed("view_job", "view_job_arguments", "dispatch_job", method="POST")
def run_copy(request: HttpRequest, job_id: int) -> HttpResponseBase:
    job = get_object_or_404(Job.objects.using(router.db_for_write(Job)), pk=job_id)
    cls = find(job.job_class)
    if cls is None:
        return show_form(request, job)
    try:
        new = copy(
            job,
            given_in(request.POST, fields_of(cls), job.arguments),
            request,
            queue=text(request.POST, "queue", 100) or job.queue,
            priority=whole(request.POST.get("priority", "")),
            tags=listed(request.POST["tags"]) if "tags" in request.POST else None,
            run_at=read_time(request.POST.get("run_at", "")),
            lax=True,
        )
    except (JobError, BadSetting, BadTime) as error:
        return show_form(request, job, refusals.told(error))
    return to_copy(request, new)


def copy(
    job: Job,
    arguments: dict[str, Any],
    request: HttpRequest,
    *,
    queue: str | None = None,
    priority: int | None = None,
    tags: list[str] | None = None,
    run_at: datetime | None = None,
    lax: bool = False,
) -> Job:
    """Dispatch a new job of the class of `job`, and link the two in the audit.

    What is not given is as in `job`; the class adds its own `tags`, by the new arguments. `lax`
    reads text as people type it. Raises JobError.
    """
    cls = find(job.job_class)
    if cls is None:
        raise JobError(_("no class of this name is registered here"))
    values = fields_of(cls).decode(arguments, lax=lax)
    engine = engine_for(job._state.db)
    with transaction.atomic(using=engine.alias), of_request(request, page=True):
        new = cls(**values).dispatch(
            queue=queue or job.queue,
            priority=job.priority if priority is None else priority,
            tags=tags_given(job, cls) if tags is None else tags,
            run_at=run_at,
            using=engine.alias,
        )
        at, by = new.created_at, request.user
        record(engine, "dispatch", by, at, job_id=new.pk, other_job_id=job.pk)
        record(engine, "copy", by, at, job_id=job.pk, other_job_id=new.pk, status=job.status)
    return new


def tags_given(job: Job, cls: type[BackgroundJob]) -> list[str]:
    """Return the tags of a job that it has not from its class."""
    try:
        own = cls.from_stored(job.arguments).own_tags() if callable(cls.tags) else cls.tags
    except Exception:
        # Its method may not know these arguments any more: better one tag too many.
        own = ()
    return [name for name in job.tags if name not in own]


def listed(value: str) -> list[str]:
    """Return the words of a text that has commas between them."""
    return [word.strip() for word in value.split(",") if word.strip()]


def show_form(request: HttpRequest, job: Job, error: str = "") -> HttpResponseBase:
    cls = find(job.job_class)
    entries: list[Entry] = []
    if cls is not None:
        entries = entries_of(fields_of(cls), job.arguments, request.POST or None)
    unknown = sorted(set(job.arguments) - {entry.name for entry in entries}) if cls else []
    context = {
        "job": job,
        "registered": cls is not None,
        "entries": entries,
        "dropped": unknown,
        "error": error,
        "queue": request.POST.get("queue", job.queue),
        "priority": request.POST.get("priority", job.priority),
        "tags": request.POST.get("tags", ", ".join(tags_given(job, cls)) if cls else ""),
        "run_at": request.POST.get("run_at", ""),
    }
    return render(request, "jobs/edit.html", context)


def whole(value: str) -> int | None:
    """Return a typed number; None where nothing was typed. Raises JobError for anything else."""
    value = value.strip()
    if not value:
        return None
    try:
        return int(value[:20])
    except ValueError:
        raise JobError(_("the priority is a whole number from -100 to 100")) from None


def told(request: HttpRequest, job: Job, level: int, message: str) -> HttpResponseBase:
    """Return to the job, or where the button was, with a message."""
    messages.add_message(request, level, message, fail_silently=True)
    return to_next(request, job.get_absolute_url())


def to_copy(request: HttpRequest, new: Job) -> HttpResponseBase:
    """Lead to a new job, and say whether it will run."""
    if new.status == JobStatus.QUEUED:
        announce(request, new, _("%(job)s was dispatched."))
    else:
        done = _("%(job)s was dispatched; it is due at %(time)s.")
        values = {"job": title(new), "time": local(new.run_at)}
        messages.success(request, done % values, fail_silently=True)
    return HttpResponseRedirect(reverse("jobs:job", args=[new.pk]))
