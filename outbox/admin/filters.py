"""Filters of deliveries and attempts."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from outbox.rendering import KINDS


class KindFilter(admin.SimpleListFilter):
    """All kinds of messages but those that come in masses, unless these are asked for."""

    title = _("kind")
    parameter_name = "kind"
    path = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("all", _("all")), *((name, kind.label) for name, kind in sorted(KINDS.items()))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if wanted == "all":
            return queryset
        if wanted:
            return queryset.filter(**{self.path: wanted})
        masses = [name for name, kind in KINDS.items() if kind.in_masses]
        return queryset.exclude(**{f"{self.path}__in": masses})

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Without events")}
        yield from rest


class MessageKindFilter(KindFilter):
    """The same for attempts."""

    path = "message__kind"
