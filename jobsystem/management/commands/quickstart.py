from __future__ import annotations

import secrets
import socket
import sys
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.models import Job
from jobsystem.samples import dispatch_samples
from jobsystem.together import Group

HOST = "127.0.0.1"
USERNAME = "admin"
DRAIN = "5"
"""Seconds that running jobs are waited for when the demo ends; then they are given back."""


class Command(BaseCommand):
    help = (
        "Start everything in this terminal: database, admin user, sample jobs, worker, web server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, help="port of the web server (default: 8000, else a free one)"
        )
        parser.add_argument("--concurrency", type=int, help="job processes (default: one per CPU)")
        parser.add_argument(
            "--samples", action="store_true", help="dispatch the sample jobs even if jobs exist"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        admin = find_or_create_admin()
        if options["samples"] or not Job.objects.exists():
            count = len(dispatch_samples())
            self.stdout.write(f"Dispatched {count} sample jobs.")
        with open_port(options["port"]) as server:
            address = f"http://{HOST}:{server.getsockname()[1]}/"
            self.stdout.write(welcome(address, *admin))
            self.run_together(server, options["concurrency"])

    def run_together(self, server: socket.socket, concurrency: int | None) -> None:
        """Run worker and web server until somebody ends them, or one of them fails."""
        descriptor = server.fileno()
        group = Group()
        with group.listening():
            group.start("web", web_command(descriptor), [descriptor])
            group.start("worker", worker_command(concurrency), BACKGROUND_JOB_DRAIN_TIMEOUT=DRAIN)
            group.wait()
            if group.asked:
                self.stdout.write("\nEnding; running jobs have a moment. Ctrl-C again: at once.")
            failed = [program for program in group.programs if program.ended]
        if failed and not group.asked:
            name, code = failed[0].name, failed[0].process.returncode
            raise CommandError(f"The {name} program ended by itself (exit code {code}); see above.")
        self.stdout.write("Everything has ended.")


def find_or_create_admin() -> tuple[str, str | None]:
    """Return the name of an administrator, and the password if it had to be created."""
    users = get_user_model()._default_manager
    known = users.filter(is_superuser=True).order_by("pk").first()
    if known is not None:
        return known.get_username(), None
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser(USERNAME, "", password)
    return USERNAME, password


def open_port(wanted: int | None) -> socket.socket:
    """Return a socket that listens on `wanted`, else on 8000, else on any port that is free.

    Raises CommandError if `wanted` is in use.
    """
    for port in [wanted] if wanted else [8000, 0]:
        with suppress(OSError):
            return socket.create_server((HOST, port))
    raise CommandError(f"Port {wanted} is in use: name another one, or none to have one picked.")


def web_command(descriptor: int) -> list[str]:
    return [sys.executable, "-m", "jobsystem.serve", str(descriptor)]


def worker_command(concurrency: int | None) -> list[str]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "runworker"]
    return command if concurrency is None else [*command, "--concurrency", str(concurrency)]


def welcome(address: str, user: str, password: str | None) -> str:
    secret = f"{password}   (shown this once)" if password else "as it was first shown"
    return (
        f"\n  Dashboard   {address}"
        f"\n  User        {user}"
        f"\n  Password    {secret}"
        f"\n              (python manage.py changepassword {user} sets another)"
        "\n  Ctrl-C ends everything.\n"
    )
