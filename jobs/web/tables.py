"""Read-only tables for Django's admin, at a bounded cost per page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from ..models import JobClass, Queue
from ..selection import LARGEST_KEY
from .paging import SPAN, newest_key
from .presentation import grouped
from .stats import CAP, count_each

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    # Generic only in the type stubs.
    _Paginator, _ModelAdmin = Paginator, admin.ModelAdmin


class CappedPaginator(_Paginator):
    """Counts to a limit, so that no page of the admin reads a grouped table."""

    @cached_property
    def count(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list)
        if self.object_list.query.is_empty():
            return 0
        return min(count_each([self.object_list])[0], CAP)


class BoundedChangeList(ChangeList):
    """Looks through the newest rows only where no single index answers what is asked for."""

    model_admin: ReadOnlyAdmin
    is_bounded = False

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if self.is_bounded:
            self.title = _("%(title)s (among the newest %(count)s)") % {
                "title": self.title,
                "count": grouped(SPAN),
            }

    def get_queryset(self, request: HttpRequest, *args: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *args)
        asked = [one for one in self.filter_specs if getattr(one, "used_parameters", None)]
        self.is_bounded = len(asked) + bool(self.query) > self.model_admin.answered_by_an_index
        return rows.filter(pk__gt=newest_key(rows) - SPAN) if self.is_bounded else rows


class NameFilter(admin.SimpleListFilter):
    """Offers the names in a small table; a filter on the column would need DISTINCT."""

    model: type[JobClass] | type[Queue]
    column: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.model.objects.values_list("name", flat=True)[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.column: value.replace("\0", "")}) if value else queryset


class ReadOnlyAdmin(_ModelAdmin):
    """Shows rows and changes none."""

    actions: Sequence[Any] = ()
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    answered_by_an_index = 1_000
    """How many filters at once one index answers; where there are more, only new rows are read."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row; Django takes an empty `_to_field` for the name of a column, and asks with NUL."""
        if "\0" in object_id:
            return None
        return super().get_object(request, object_id, from_field or None)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by number or name as it stands; a lookup that ignores case would read every row."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        is_number = term.isascii() and term.isdigit() and bool(self.number_column)
        column = self.number_column if is_number else self.name_column
        if not column or (is_number and int(term[:20]) > LARGEST_KEY):
            return queryset.none(), False
        return queryset.filter(**{column: term}), False

    number_column = name_column = ""
    """The columns that a search for a number and for a name compares; nothing is found without."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
