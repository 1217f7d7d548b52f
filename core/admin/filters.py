"""Filters that several lists share."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import TextFilter

from core.errors import Message
from core.numbers import whole


class Tombstones(admin.SimpleListFilter):
    """Hide deleted rows unless they are asked for."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("only", _("Deleted only")), ("too", _("Deleted too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wish = self.value()
        if wish == "too":
            return queryset
        return queryset.filter(deleted_at__isnull=wish != "only")

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Not deleted")}
        yield from rest


class ByNumber(admin.SimpleListFilter):
    """Narrow a list to one row of another table by its number, as links from other pages do."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, f"#{value}")] if value else []

    def has_output(self) -> bool:
        return bool(self.lookup_choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (value := self.value()):
            return queryset
        number = whole(value)
        return queryset.none() if number is None else queryset.filter(**{str(self.parameter_name): number})


def by_number(title: Message, parameter: str) -> type[ByNumber]:
    """Return the filter by the number of a row of another table; `parameter` is its field."""
    return type("ByNumber", (ByNumber,), {"title": title, "parameter_name": parameter})


class ExactText(TextFilter):
    """Filter rows whose field is exactly the text that is entered."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        name = str(self.parameter_name)
        label = capfirst(str(self.title))
        yield {"form": self.form_class(name=name, label=str(label), data={name: self.value()})}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = (self.value() or "").strip()
        return queryset.filter(**{str(self.parameter_name): value}) if value else queryset
