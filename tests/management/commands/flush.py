from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections, transaction

KEPT = {"django_content_type", "auth_permission"}


class Command(BaseCommand):
    """Empty the tables by DELETE: what Django's tests call after each one that commits.

    TRUNCATE takes 20 to 50 times as long on tables of a few rows, and creating the content types
    and permissions anew as long again; those stay.
    """

    requires_system_checks: list[str] = []
    stealth_options = ("reset_sequences", "allow_cascade", "inhibit_post_migrate")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default="default")
        # The rest is what the tests of Django pass; it makes no difference here.
        parser.add_argument("--no-input", action="store_false", dest="interactive")

    def handle(self, *args: Any, database: str, **options: Any) -> None:
        connection = connections[database]
        quote = connection.ops.quote_name
        # MySQL checks each statement, and nothing here says which table refers to which.
        with (
            transaction.atomic(using=database),
            connection.constraint_checks_disabled(),
            connection.cursor() as cursor,
        ):
            for table in tables():
                cursor.execute(f"DELETE FROM {quote(table)}")


def tables() -> list[str]:
    """Return the tables of all installed models, those between two models included."""
    models = apps.get_models(include_auto_created=True)
    names = (model._meta.db_table for model in models if not model._meta.proxy)
    return [name for name in names if name not in KEPT]
