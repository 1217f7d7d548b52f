"""The admin of orders to agents."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backends.admin.power import BackendIdFilter
from backends.admin.status_colours import ORDER_COLOURS
from backends.choices import OPEN_ORDERS
from backends.models import Order
from core.admin import GrowingAdmin, badge, link_column, time_ago


class SettledFilter(admin.SimpleListFilter):
    """A filter that shows only open orders unless it is set, because only they have an index."""

    title = _("settled")
    parameter_name = "settled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("too", _("Settled too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        return queryset if self.value() else queryset.filter(state__in=OPEN_ORDERS)

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Open only")}
        yield from rest


@admin.register(Order)
class OrderAdmin(GrowingAdmin):
    """Orders to agents."""

    comes_from = _("There is no open order. The filter shows settled ones.")
    list_display = ("verb_column", "backend_link", "ref", "devices", "state_column", "error", "given", "settled")
    list_filter = (SettledFilter, "verb", "state", BackendIdFilter)
    list_select_related = ("backend",)
    search_fields = ("backend__name",)
    search_help_text = _("Name of the backend")
    ordering = ("backend", "created_at")
    fields = ("id", "backend_link", "verb", "ref", "devices", "state_column", "error", "created_at", "settled_at")
    readonly_fields = ("id", "backend_link", "state_column")

    @admin.display(description=_("order"), ordering="verb")
    def verb_column(self, row: Order) -> str:
        return row.get_verb_display()

    backend_link = link_column("backend", _("backend"), ordering="backend__name")

    @admin.display(description=_("state"), ordering="state")
    def state_column(self, row: Order) -> SafeString:
        return badge(row.get_state_display(), ORDER_COLOURS[row.state])

    @admin.display(description=_("given"), ordering="created_at")
    def given(self, row: Order) -> SafeString | str:
        return time_ago(row.created_at)

    @admin.display(description=_("settled"), ordering="settled_at")
    def settled(self, row: Order) -> SafeString | str:
        return time_ago(row.settled_at)
