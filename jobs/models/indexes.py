"""Indexes of some rows where the database has such, and of all rows where it has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import Q
from django.db.models.constants import LOOKUP_SEP


class PartialIndex(models.Index):
    """An index of the rows that meet `condition`.

    MySQL and MariaDB have none such and would index all rows by `fields` alone. There the columns of
    the condition come first, those compared with one value before the others, so that the same
    queries read one range of it.
    """

    def create_sql(
        self,
        model: type[models.Model],
        schema_editor: BaseDatabaseSchemaEditor,
        *args: Any,
        **kwargs: Any,
    ) -> Statement:
        if schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, *args, **kwargs)
        full = models.Index(fields=self._led_by_condition(), name=self.name)
        return full.create_sql(model, schema_editor, *args, **kwargs)

    def _led_by_condition(self) -> list[str]:
        lookups = list(_lookups(self.condition)) if self.condition else []
        exact_first = sorted(lookups, key=lambda lookup: LOOKUP_SEP in lookup)
        named = [lookup.partition(LOOKUP_SEP)[0] for lookup in exact_first]
        return list(dict.fromkeys([*named, *self.fields]))


def _lookups(condition: Q) -> Iterator[str]:
    """Yield what a condition compares, such as `status` or `status__in`."""
    for child in condition.children:
        if isinstance(child, Q):
            yield from _lookups(child)
        elif isinstance(child, tuple):
            yield child[0]
