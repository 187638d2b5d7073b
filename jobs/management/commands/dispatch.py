from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from ... import registry
from ...arguments import fields_of
from ...conf import BadSetting
from ...exceptions import JobError
from ...lifecycle.auditing import record
from ...lifecycle.engines import engine_for


class Command(BaseCommand):
    help = "Dispatch one job and print its id."
    # The broken jobs module of another app must not stop this.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "job_class", metavar="class", help="its name; without the app where one class has it"
        )
        parser.add_argument(
            "arguments",
            nargs="*",
            metavar="name=value",
            help="an argument of the job; JSON for lists and dicts, a primary key for a model",
        )
        parser.add_argument("--delay", type=float, metavar="SECONDS", help="due after this time")
        parser.add_argument(
            "--tag", action="append", default=[], help="a word to find it by; may be repeated"
        )
        parser.add_argument("--queue", help="instead of that of the class")
        parser.add_argument("--priority", type=int, help="-100 to 100; bigger is sooner")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cls = registry.lookup(options["job_class"])
            values = fields_of(cls).decode(_pairs(options["arguments"]), lax=True)
            job = cls(**values).dispatch(
                delay=options["delay"],
                queue=options["queue"],
                priority=options["priority"],
                tags=options["tag"],
            )
        except (JobError, BadSetting) as error:
            raise CommandError(str(error)) from None
        engine = engine_for(job._state.db)
        record(engine, "dispatch", None, job.created_at, job_id=job.pk, detail="manage.py dispatch")
        self.stdout.write(str(job.pk))


def _pairs(texts: list[str]) -> dict[str, Any]:
    """Return `name=value` texts as a dict."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandError(f"{text!r} is no argument: write name=value")
        if name in values:
            raise CommandError(f"the argument {name!r} is given twice")
        values[name] = value
    return values
